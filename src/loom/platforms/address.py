"""Where platforms are: their public hosts, the root of the API for an address of theirs, the shape of a pull request's
URL, and the variables that hold tokens. A platform is a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from loom.core.errors import UsageError, did_you_mean
from loom.infra.net import NetError, origin_of
from loom.platforms.values import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a platform without asking it."""

    name: str
    title: str
    api: str
    """What stands after the root of the web pages, where the API has no host of its own."""
    pull: str
    """Between repository and number in a pull request's URL."""
    tokens: tuple[str, ...]
    """Variables besides LOOM_TOKEN, first one first."""
    public: Mapping[str, str] = field(default_factory=dict)
    """Host of the web pages -> root of the API, where everybody is a guest."""
    groups: bool = False
    """Whether a repository may stand more than one folder deep."""


ROWS: tuple[Row, ...] = (
    Row(
        name="github",
        title="GitHub",
        api="/api/v3",
        pull="/pull/",
        tokens=("GITHUB_TOKEN", "GH_TOKEN"),
        public={"github.com": "https://api.github.com"},
    ),
    Row(
        name="gitlab",
        title="GitLab",
        api="/api/v4",
        pull="/-/merge_requests/",
        tokens=("LOOM_GITLAB_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN"),
        public={"gitlab.com": "https://gitlab.com/api/v4"},
        groups=True,
    ),
    Row(
        name="forgejo",
        title="Forgejo",
        api="/api/v1",
        pull="/pulls/",
        tokens=("FORGEJO_TOKEN", "GITEA_TOKEN", "GITHUB_TOKEN"),
        public={"codeberg.org": "https://codeberg.org/api/v1"},
    ),
    Row(
        name="gitea",
        title="Gitea",
        api="/api/v1",
        pull="/pulls/",
        tokens=("GITEA_TOKEN", "FORGEJO_TOKEN", "GITHUB_TOKEN"),
        public={"gitea.com": "https://gitea.com/api/v1"},
    ),
)
"""Of two with the same URLs the last one is taken where nothing else tells them apart: both are spoken to alike."""

_BY_NAME = {row.name: row for row in ROWS}
_GHE = re.compile(r"(?:api\.)?([a-z0-9-]+\.ghe\.com)")
"""GitHub Enterprise Cloud with data residency: the API stands on `api.NAME.ghe.com`."""
_REPO = re.compile(r"[^\s/?#%]+(?:/[^\s/?#%]+)+")


@dataclass(frozen=True, slots=True)
class PullUrl:
    """A pull request's URL, taken apart."""

    project: Project
    number: int


def row(platform: str) -> Row:
    """What is known of the platform called so. Raises UsageError."""
    found = _BY_NAME.get(platform)
    if found is None:
        known = ", ".join(sorted(_BY_NAME))
        near = did_you_mean(platform, _BY_NAME)
        raise UsageError(f'unknown platform "{platform[:40]}".{near}', hint=f"--platform or LOOM_PLATFORM: {known}")
    return found


def public_hosts() -> frozenset[str]:
    """The hosts of public platforms, web pages and APIs."""
    hosts = {host for each in ROWS for host in each.public}
    return frozenset(hosts | {origin_of(api).host for each in ROWS for api in each.public.values()})


def is_public(platform: str, host: str) -> bool:
    """Whether the host is the platform's own public one: then its own variables may be meant for it."""
    return platform in _BY_NAME and (
        host in _BY_NAME[platform].public
        or any(origin_of(api).host == host for api in _BY_NAME[platform].public.values())
        or (platform == "github" and _GHE.fullmatch(host) is not None)
    )


def platform_of(host: str) -> str | None:
    """The platform behind a public host, or behind a name that says which it is: `gitlab.example.com`."""
    for each in ROWS:
        if is_public(each.name, host):
            return each.name
    labels = host.split(".")
    return next((each.name for each in ROWS if each.name in labels), None)


def project(platform: str, url: str, repo: str, *, variable: str) -> Project:
    """The project `repo` on the platform at `url`, root of either the web pages or the API. `variable`: what the
    address came from, for messages. Raises UsageError."""
    known = row(platform)
    if not _REPO.fullmatch(repo) or (not known.groups and repo.count("/") != 1):
        shape = "group/project" if known.groups else "owner/name"
        raise UsageError(f'"{repo[:80]}" is not a repository on {known.title}', hint=f"--repo {shape}")
    root = _checked(url, variable)
    host = origin_of(root).host
    ghe = _GHE.fullmatch(host)
    if platform == "github" and ghe:
        return Project(platform=platform, api_url=f"https://api.{ghe[1]}", web_url=f"https://{ghe[1]}", repo=repo)
    for web, api in known.public.items():
        if host in (web, origin_of(api).host):
            return Project(platform=platform, api_url=api, web_url=f"https://{web}", repo=repo)
    web_root = root.removesuffix(known.api)
    return Project(platform=platform, api_url=web_root + known.api, web_url=web_root, repo=repo)


def parse_pull(url: str, *, platform: str | None = None, root: str | None = None) -> PullUrl:
    """The pull request that a URL shows. `platform` where it is known; `root`: an address that the platform is known
    to be at, for one that stands in a folder of its host. Raises UsageError."""
    bare = url.partition("#")[0].partition("?")[0]
    _checked(bare, "--pr")
    for each in (row(platform),) if platform else ROWS:
        repository, mark, rest = bare.partition(each.pull)
        number = re.match(r"([1-9][0-9]{0,9})(?:/|$)", rest)
        if not mark or number is None:
            continue
        base, repo = _split(each, unquote(repository), root)
        if repo:
            named = platform or _named(each, bare)
            return PullUrl(project(named, base, repo, variable="--pr"), int(number[1]))
    shapes = ", ".join(f"…/owner/name{each.pull}7" for each in ROWS if each.name != "forgejo")
    raise UsageError("--pr: this is not the URL of a pull request", hint=f"expected {shapes}, or a number")


def parse_remote(url: str) -> tuple[str, str] | None:
    """(root of the web pages, repository) that a git remote's URL means: https, ssh, or `git@host:path`. None for
    anything else, such as a path."""
    scp = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)", url)
    host, path = (scp[1], scp[2]) if scp else ("", "")
    if not scp:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http", "ssh") or not parts.hostname:
            return None
        same_port = parts.scheme != "ssh" and parts.port
        host = parts.hostname + (f":{parts.port}" if same_port else "")
        path = parts.path
    repo = path.strip("/").removesuffix(".git")
    scheme = "http" if url.startswith("http://") else "https"
    return (f"{scheme}://{host}", repo) if _REPO.fullmatch(repo) else None


def host_of(url: str) -> str:
    """The host of an address; empty for what is none."""
    try:
        return origin_of(url).host
    except (NetError, ValueError):
        return ""


def _named(found: Row, url: str) -> str:
    """The platform of a URL of that shape: several have the same one."""
    named = platform_of(origin_of(url).host)
    same = {each.name for each in ROWS if each.pull == found.pull}
    return named if named in same else max(same)  # gitea: Forgejo answers to it too


def _split(known: Row, repository: str, root: str | None) -> tuple[str, str]:
    """(root of the web pages, repository) of the address of a repository."""
    parts = urlsplit(repository)
    origin = f"{parts.scheme}://{parts.netloc}"
    names = [name for name in parts.path.split("/") if name]
    at = (root or "").rstrip("/").removesuffix(known.api)
    if at and repository.startswith(at + "/"):
        return at, repository.removeprefix(at + "/").strip("/")
    if known.groups:
        return origin, "/".join(names)
    base = "/".join([origin, *names[:-2]])
    return base, "/".join(names[-2:]) if len(names) > 1 else ""


def _checked(url: str, variable: str) -> str:
    """The address without a last slash. Raises UsageError that names the variable or flag, not the address: it may
    hold a password."""
    try:
        origin_of(url)
    except (NetError, ValueError) as error:
        message = error.message if isinstance(error, NetError) else "not a usable address"
        raise UsageError(f"{variable}: {message}", hint="write it like https://git.example.com") from None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
