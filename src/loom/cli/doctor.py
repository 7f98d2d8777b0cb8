"""What `loom doctor` looks at: whether this machine or job has all that a review needs, and how to mend what is not in
order. Nothing is changed, nothing is posted, no model is asked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loom.cli import wiring
from loom.core.errors import ConfigError, LoomError

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.cli.host import Host
    from loom.cli.opening import Opened
    from loom.cli.target import Target
    from loom.config.schema_models import ModelConfig
    from loom.infra.git import Git
    from loom.infra.net import Network
    from loom.platforms.base import Platform, Profile

State = Literal["ok", "warn", "fail"]
_OLDEST_GIT = (2, 26)
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    says: str
    mend: str = ""
    """What to do; empty where there is nothing."""


def examine(flags: ReviewFlags, host: Host) -> list[Check]:
    """All checks, in the order in which a review needs them. One that breaks is a check that failed."""
    with wiring.open_checkout(host) as checkout:
        opened: list[Opened] = []
        groups: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
            ("git", lambda: _git(checkout, host)),
            ("configuration", lambda: _configuration(flags, host, checkout, opened)),
            ("model", lambda: _model(flags, host, opened)),
            ("linters", lambda: _linters(host, checkout)),
            ("platform", lambda: _platform(flags, host, checkout.git)),
            ("folders", lambda: _folders(host)),
        )
        return [check for name, group in groups for check in _safely(name, group)]


def _safely(name: str, group: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        for check in group():
            yield Check(check.name, check.state, wiring.mask_own(check.says), wiring.mask_own(check.mend))
    except LoomError as error:
        yield Check(name, "fail", wiring.mask_own(error.message), wiring.mask_own(error.hint))


# -- git ---------------------------------------------------------------------------------------------------------------


def _git(checkout: wiring.Checkout, host: Host) -> Iterator[Check]:
    yield _git_version(host)
    git = checkout.git
    if git is None:
        assert checkout.why_no_git is not None
        state: State = "warn" if host.in_ci else "fail"  # a job reads a pull request without a checkout
        yield Check("checkout", state, checkout.why_no_git.message, checkout.why_no_git.hint)
        return
    head = git.head()
    if head is None:
        yield Check("checkout", "warn", "the repository has no commit yet")
        return
    if git.is_shallow():
        mend = "fine for a pull request; for `--base` and local reviews: `git fetch --unshallow`"
        yield Check("checkout", "ok" if host.in_ci else "warn", f"{head[:12]}, history was cut off when cloning", mend)
    else:
        yield Check("checkout", "ok", f"{head[:12]}, with all of its history")
    yield from _base(git, head, host)


def _git_version(host: Host) -> Check:
    import re

    from loom.infra import git_program, process

    program = git_program.find(host.environ, None)
    done = process.run([program, "--version"], cwd=host.cwd, env={}, timeout_s=_TIMEOUT_S)
    said = done.stdout.decode("utf-8", "replace").strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) < _OLDEST_GIT:
        return Check("git", "fail", f"{said} is too old", "install git 2.26 or later")
    return Check("git", "ok", said)


def _base(git: Git, head: str, host: Host) -> Iterator[Check]:
    if host.in_ci:
        return  # the platform tells
    other = git.upstream_or_default()
    if other is None:
        yield Check("merge base", "warn", "no upstream and no default branch to compare with", "`--base REV` names one")
    elif (base := git.merge_base(git.resolve(other), head)) is None:
        mend = "`git fetch --unshallow`, or `--base REV`"
        yield Check("merge base", "warn", f"{other} and HEAD have no commit in common here", mend)
    else:
        yield Check("merge base", "ok", f"{base[:12]}, with {other}")


# -- configuration and model -------------------------------------------------------------------------------------------


def _configuration(flags: ReviewFlags, host: Host, checkout: wiring.Checkout, opened: list[Opened]) -> Iterator[Check]:
    from loom.cli.opening import open_config

    name = "configuration"
    try:
        opened.append(open_config(host, checkout, config=flags.config, offline=flags.offline))
    except ConfigError as error:
        for problem in error.problems:
            yield Check(name, "fail", str(problem), error.hint)
        return
    loaded = opened[0].loaded
    count = len(loaded.config.pipelines)
    says = f"valid, {count} pipeline{'' if count == 1 else 's'}" if loaded.has_file else "none: the defaults apply"
    yield Check(name, "ok", says)
    if loaded.has_file and not opened[0].accepted and not host.in_ci:
        yield Check(
            "trust", "warn", "this checkout was not accepted: its scripts and models are left out", "`loom trust`"
        )
    for notice in loaded.notices:
        yield Check(name, "warn", notice.message, notice.hint)


def _model(flags: ReviewFlags, host: Host, opened: list[Opened]) -> Iterator[Check]:
    """The models that a review would ask. Hosts that it would not call are not called here either."""
    from loom.cli.crew import Chosen

    if not opened:
        return
    chosen = Chosen.of(flags, host, opened[0])
    for notice in chosen.notices:
        yield Check("model", "warn", notice.message, notice.hint)
    models = chosen.config.models.values()
    if not models:
        yield Check("model", "ok", "none chosen: analyzers, rules and linters review", "docs/models.md has the ways to")

    async def ask() -> list[Check]:
        try:
            return list(await asyncio.gather(*(_reach(settings, flags, host, chosen.network) for settings in models)))
        finally:
            await chosen.aclose()

    yield from asyncio.run(ask())


async def _reach(settings: ModelConfig, flags: ReviewFlags, host: Host, network: Network) -> Check:
    """Whether there is a key, and whether the server answers anything at all to a request without it."""
    from loom.infra.net import origin_of
    from loom.llm import endpoints, lacks_key

    title = f"{settings.provider}/{settings.model}"
    ollama = endpoints.ollama_url(host.environ.get("OLLAMA_HOST", "")) if settings.provider == "ollama" else None
    url = settings.base_url or ollama or endpoints.default_for(settings.provider).base_url
    if settings.provider == "scripted" or url is None:
        return Check("model", "ok", f"{title}: no server is asked")
    if lacks_key(settings, host.environ):
        return Check("model", "fail", f"{title}: no key", _key_hint(settings))
    origin = origin_of(url)
    if flags.offline and not origin.is_loopback:
        return Check("model", "warn", f"{title}: not asked, --offline")
    try:
        async with network.exchange("GET", url, headers={}, idle_s=_TIMEOUT_S) as answer:
            status = answer.status
    except LoomError as error:
        return Check("model", "fail", f"{title}: {error.message}", error.hint)
    if status >= 500:
        return Check("model", "warn", f"{title}: {origin} answers HTTP {status}", "the server has trouble of its own")
    return Check("model", "ok", f"{title}: {origin} answers; the key is not tried, that could cost")


def _key_hint(settings: ModelConfig) -> str:
    from loom.infra.net import origin_of
    from loom.llm import endpoints

    default = endpoints.default_for(settings.provider)
    known = endpoints.find(settings.provider, origin_of(settings.base_url)) if settings.base_url else default
    names = (settings.api_key_env,) if settings.api_key_env else known.key_env
    return f"set {' or '.join(names)} as a secret of the job" if names else "set its key"


# -- linters -----------------------------------------------------------------------------------------------------------


def _linters(host: Host, checkout: wiring.Checkout) -> Iterator[Check]:
    """Those that the top of the repository configures: whether they are installed."""
    from loom.analyzers.linter_choice import Places
    from loom.analyzers.linter_file import catalogue
    from loom.core.errors import ScriptError
    from loom.infra import process

    if not checkout.has_files:
        return

    def names(folder: str) -> list[str]:
        place = checkout.root / folder
        return os.listdir(place) if place.is_dir() else []  # noqa: PTH208 (names)

    places = Places(names, checkout.read)
    rows = [row for row in catalogue().values() if places.configured(row, ["."])]
    for row in rows:
        if any((checkout.root / local).is_file() for local in row.local):
            yield Check("linter", "ok", f"{row.title}: in the checkout")
            continue
        try:
            found = process.resolve(row.program, path=host.environ.get("PATH", ""), outside=checkout.root)
        except ScriptError:
            yield Check("linter", "warn", f"{row.title} is configured and not installed", row.install)
        else:
            yield Check("linter", "ok", f"{row.title}: {found}")
    if not rows:
        yield Check("linters", "ok", "none configured at the top of the repository")


# -- platform ----------------------------------------------------------------------------------------------------------


def _platform(flags: ReviewFlags, host: Host, git: Git | None) -> Iterator[Check]:
    """The job, the token, and the pull request as the platform shows it."""
    from loom.cli import forks
    from loom.cli import target as targets
    from loom.platforms import ci

    target = targets.find(flags, host, git)
    if target is None:
        if host.in_ci:
            yield Check("job", "warn", "a CI job that names no pull request", "LOOM_PR, or `--pr URL` (docs/ci.md)")
        else:
            yield Check("job", "ok", "no CI job: reviews are printed", "`--pr URL` looks at a pull request")
        return
    job, project = target.job, target.project
    where = f"{project.repo} on {project.web_url}"
    if job is None:
        yield Check("job", "ok", f"no CI job; {where}")
    else:
        what = f"pull request {target.number}" if target.number else job.why_no_number or "no pull request"
        fork = ", from a fork" if job.is_fork else ""
        yield Check("job", "ok", f"{ci.title_of(job.ci)}, event {job.event}, {what}{fork}; {where}")
    if job is not None and job.is_fork and job.head_sha is not None:
        forks.refuse_checkout(job, git, host.environ, heads={job.head_sha})
    yield _token(target)
    yield from _asked(flags, host, target)


def _token(target: Target) -> Check:
    from loom.cli import target as targets
    from loom.platforms.ci_context import tokens_of

    if target.token is not None:
        return Check("token", "ok", f"from {target.token.variable}")
    if notice := targets.withheld_notice(target):
        return Check("token", "warn", notice.message, notice.hint)
    names = ", ".join(tokens_of(target.project.platform))
    return Check(
        "token", "warn", "none: public pull requests can be read, nothing can be posted", f"set one of {names}"
    )


def _asked(flags: ReviewFlags, host: Host, target: Target) -> Iterator[Check]:
    """What the platform says: version and rights first, then the pull request."""
    from loom.cli import target as targets
    from loom.infra.net import origin_of

    if flags.offline and not origin_of(target.project.api_url).is_loopback:
        yield Check("platform", "warn", "not asked, --offline")
        return

    async def ask() -> list[Check]:
        network = targets.network(target, host, offline=flags.offline)
        platform = targets.connect(target, target.number or 0, network)
        try:
            checks = list(_rights(target, await platform.probe()))
            return [*checks, *([await _pull(platform)] if target.number else [])]
        finally:
            await platform.aclose()
            await network.aclose()

    yield from asyncio.run(ask())


def _rights(target: Target, profile: Profile) -> Iterator[Check]:
    from loom.platforms import address

    title = address.row(target.project.platform).title
    version = f" {profile.server_version}" if profile.server_version else ""
    who = f", as {profile.login}" if profile.login else ""
    yield Check("platform", "ok", f"{title}{version} answers{who}")
    for name, how in profile.missing.items():
        lost = name == "write" and target.token is not None
        words = "nothing can be posted" if name == "write" else f"without {name.replace('_', ' ')}"
        yield Check("permission", "fail" if lost else "warn", words, how)


async def _pull(platform: Platform) -> Check:
    pr = await platform.pull_request()
    notes = [
        note for note, holds in (("a draft", pr.draft), ("closed", not pr.open), ("from a fork", pr.fork)) if holds
    ]
    said = f" ({', '.join(notes)})" if notes else ""
    return Check("pull request", "ok", f"{pr.number}{said}, head {pr.head_sha[:12]}, into {pr.target_branch}")


# -- folders -----------------------------------------------------------------------------------------------------------


def _folders(host: Host) -> Iterator[Check]:
    for name, folder, what in (
        ("cache", host.cache_dir, "set LOOM_CACHE_DIR to a folder that can be written"),
        ("state", host.state_dir, "set XDG_STATE_HOME to a folder that can be written"),
    ):
        if _writable(folder):
            yield Check(name, "ok", str(folder))
        else:
            yield Check(name, "warn", f"{folder} cannot be written: nothing is kept there", what)


def _writable(folder: Path) -> bool:
    """Whether it can be written, or made."""
    place = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
