"""Which pull request is meant, from flags and the CI job, and a connection to its platform: which hosts may be called
for it, and which token goes there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loom.cli import wiring
from loom.core.errors import SourceError, UsageError
from loom.core.result import Notice

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.cli.host import Host
    from loom.infra.git import Git
    from loom.infra.git_fetch import Remote
    from loom.infra.net import Network, Origin
    from loom.platforms.base import Platform, Reader
    from loom.platforms.ci_context import CiContext
    from loom.platforms.values import Project, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pull request, or a commit whose pull request is yet to be found."""

    project: Project
    number: int | None
    job: CiContext | None
    """What the CI job says, where Loom runs in one. What it says of another pull request is left out."""
    token: Token | None
    withheld: str | None
    """A variable that holds a token for another host: it was not used."""
    named: frozenset[str]
    """Origins that the job, a flag or the user named: they may be private, and http."""


def detect(host: Host) -> CiContext | None:
    """What the CI job says. Raises UsageError."""
    from loom.platforms import ci

    def read_file(path: str) -> bytes | None:
        try:
            return (host.cwd / path).read_bytes()
        except OSError:
            return None

    return ci.detect(host.environ, read_file)


def find(flags: ReviewFlags, host: Host, git: Git | None) -> Target | None:
    """The pull request that `--pr` names, or the CI job's own; None where there is neither. Raises UsageError."""
    job = detect(host) if host.in_ci or flags.pr is None else None
    if flags.pr is None:
        if job is None or not host.in_ci:
            return None
        project, number = _overridden(flags, host, job.project), job.number
    elif "://" in flags.pr:
        project, number = _of_url(flags, host)
    else:
        project, number = _of_number(flags, host, job, git)
    about = _about(job, project, number) if flags.pr is not None else job
    if about is not None and flags.pinned is not None:
        about = replace(about, head_sha=flags.pinned)
    named = _named(flags, host, job, project if "://" in (flags.pr or "") else None)
    token, withheld = _token(host, project, job, _given(flags, host)[1])
    return Target(project=project, number=number, job=about, token=token, withheld=withheld, named=named)


def network(target: Target, host: Host, *, offline: bool) -> Network:
    """Connections to the platform's hosts, and no others."""
    from loom.infra.net import Network, Rules, Settings
    from loom.platforms import address

    rules = Rules(builtin=address.public_hosts() | _ghe(target), named=target.named, offline=offline)
    return Network(Settings(rules=rules, proxies=wiring.proxies(host), ca_bundle=wiring.ca_bundle(host)))


def connect(target: Target, number: int, connections: Network) -> Platform:
    """The platform, for that pull request; 0: for none yet. Calls nothing."""
    from loom import platforms
    from loom.platforms.http import Setup

    return platforms.make(
        Setup(
            project=target.project,
            number=number,
            token=target.token,
            network=connections,
            server_version=target.job.server_version if target.job else None,
        )
    )


def remote(target: Target, platform: Reader, host: Host, connections: Network) -> Remote | None:
    """Where git fetches from: the platform's own origin, or nowhere."""
    from loom.infra.git_fetch import Remote
    from loom.infra.net import origin_of

    url = platform.clone_url()
    origin = connections.settings.rules.check(url)
    if origin not in (origin_of(target.project.web_url), origin_of(target.project.api_url)):
        return None
    return Remote(
        url=url,
        credential=platform.git_credential(),
        proxy=connections.settings.proxies.of(origin),
        ca_bundle=wiring.ca_bundle(host),
    )


def withheld_notice(target: Target) -> Notice | None:
    """That there is a token which was not used."""
    if target.token is not None or target.withheld is None:
        return None
    url = target.project.web_url
    return Notice(
        "token-withheld",
        f"{target.withheld} was not sent to {url}: nothing says that it is meant for that host",
        f"if it is: LOOM_PLATFORM_URL={url}",
    )


def explained(target: Target, error: SourceError) -> SourceError:
    """The error, with what to do about a token that was missing or not used."""
    notice = withheld_notice(target)
    if notice is not None:
        return SourceError(f"{error.message}; {notice.message}", hint=notice.hint, slug=error.slug)
    return error if target.token is not None else SourceError(error.message, hint="set LOOM_TOKEN", slug=error.slug)


# -- which pull request -----------------------------------------------------------------------------------------------


def _given(flags: ReviewFlags, host: Host) -> tuple[str | None, str | None, str | None]:
    """(platform, address, repository) as flags or Loom's own variables name them."""
    environ = host.environ
    return (
        flags.platform or environ.get("LOOM_PLATFORM") or None,
        flags.platform_url or environ.get("LOOM_PLATFORM_URL") or None,
        flags.repo or environ.get("LOOM_REPO") or None,
    )


def _of_url(flags: ReviewFlags, host: Host) -> tuple[Project, int]:
    from loom.platforms import address

    platform, root, _ = _given(flags, host)
    found = address.parse_pull(flags.pr or "", platform=platform, root=root)
    return found.project, found.number


def _of_number(flags: ReviewFlags, host: Host, job: CiContext | None, git: Git | None) -> tuple[Project, int]:
    text = (flags.pr or "").removeprefix("#").removeprefix("!")
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 10**10:
        raise UsageError(f'--pr: "{(flags.pr or "")[:80]}" is neither a number nor a URL', hint="--pr 7, or its URL")
    known = job.project if job is not None else _of_remote(git)
    return _overridden(flags, host, known), int(text)


def _of_remote(git: Git | None) -> Project | None:
    """The project that the checkout was cloned from, where its host is one that can be told."""
    from loom.platforms import address

    found = address.parse_remote(git.remote_url() or "") if git is not None else None
    platform = address.platform_of(address.host_of(found[0])) if found else None
    if found is None or platform is None:
        return None
    try:
        return address.project(platform, found[0], found[1], variable="the remote origin")
    except UsageError:
        return None


def _overridden(flags: ReviewFlags, host: Host, known: Project | None) -> Project:
    """The project, with what flags and Loom's own variables say instead."""
    from loom.platforms import address

    platform, url, repo = _given(flags, host)
    if known is not None and platform in (None, known.platform) and url is None:
        return replace(known, repo=repo or known.repo)
    platform = platform or (known.platform if known else None) or address.platform_of(address.host_of(url or ""))
    repo = repo or (known.repo if known else None)
    if platform is not None and url is None:
        url = next((f"https://{name}" for name in address.row(platform).public), None)
    if platform is None or url is None or repo is None:
        missing = [
            name
            for name, value in (("--platform", platform), ("--platform-url", url), ("--repo", repo))
            if value is None
        ]
        raise UsageError(
            f"--pr {flags.pr or ''}: which repository is not known".replace("  ", " "),
            hint=f"give the pull request's URL, or {' and '.join(missing)}",
        )
    variable = "--platform-url" if flags.platform_url else "LOOM_PLATFORM_URL"
    return address.project(platform, url, repo, variable=variable)


def _about(job: CiContext | None, project: Project, number: int | None) -> CiContext | None:
    """What the job says that still holds for a pull request that was named by hand: its rights, and all the rest only
    if it is the same one."""
    if job is None:
        return None
    same = job.number == number and job.project.repo.casefold() == project.repo.casefold()
    if same:
        return job
    return replace(
        job, number=number, head_sha=None, base_sha=None, merge_base=None, before_sha=None, fork=None, draft=None,
        labels=(), author=None, title=None, source_branch=None, target_branch=None, comment=None, why_no_number="",
    )  # fmt: skip


# -- hosts and tokens -------------------------------------------------------------------------------------------------


def _named(flags: ReviewFlags, host: Host, job: CiContext | None, typed: Project | None) -> frozenset[str]:
    allowed = {entry.strip() for entry in host.environ.get("LOOM_ALLOW_HOSTS", "").split(",") if entry.strip()}
    urls = [_given(flags, host)[1]]
    urls += [job.project.api_url, job.project.web_url] if job is not None else []
    urls += [typed.api_url, typed.web_url] if typed is not None else []
    return frozenset(allowed | {str(origin) for origin in _origins(urls)})


def _token(
    host: Host, project: Project, job: CiContext | None, address_: str | None
) -> tuple[Token | None, str | None]:
    """The first token that is meant for the project's host, else a variable that holds one for another host.

    A variable is meant for the host of the job it is set in. Elsewhere it is meant for the platform's public host, or
    for the one that LOOM_PLATFORM_URL, --platform-url or LOOM_ALLOW_HOSTS names: that somebody says "review this URL"
    hands no token to that URL.
    """
    from loom.infra.net import origin_of
    from loom.platforms import address
    from loom.platforms.ci_context import tokens_of
    from loom.platforms.values import Token

    origin = origin_of(project.api_url)
    allowed = {entry.strip() for entry in host.environ.get("LOOM_ALLOW_HOSTS", "").split(",")}
    everywhere = origin in _origins([address_]) or _same_place(project, address_)
    everywhere = everywhere or bool({str(origin), *([origin.host] if origin.scheme == "https" else [])} & allowed)
    here = job is not None and origin in _origins([job.project.api_url, job.project.web_url])
    public = address.is_public(project.platform, origin.host) and origin.scheme == "https"
    withheld = None
    for name in tokens_of(project.platform):
        value = host.environ.get(name, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable()):
            raise UsageError(f"{name} holds no usable token (line feeds or non-ASCII)", hint="set it to the bare token")
        own = name != "LOOM_TOKEN" and job is not None and name in job.tokens  # the CI's, for its own platform
        if here or everywhere or (public and not own):
            return Token(value=value, variable=name), None
        withheld = withheld or name
    return None, withheld


def _same_place(project: Project, named: str | None) -> bool:
    """Whether that address, root of the web pages, is where the project is: its API may have a host of its own."""
    from loom.infra.net import origin_of

    return origin_of(project.web_url) in _origins([named])


def _origins(urls: Iterable[str | None]) -> set[Origin]:
    from loom.infra.net import NetError, origin_of

    found = set()
    for url in urls:
        try:
            found |= {origin_of(url)} if url else set()
        except (NetError, ValueError):
            continue  # told where the address is used
    return found


def _ghe(target: Target) -> frozenset[str]:
    """Hosts of GitHub's own that are named after a customer."""
    from loom.infra.net import origin_of
    from loom.platforms import address

    urls = (target.project.api_url, target.project.web_url)
    hosts = (origin_of(url).host for url in urls)
    return frozenset(host for host in hosts if address.is_public(target.project.platform, host))
