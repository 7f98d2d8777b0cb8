"""The change that the command line names: on this machine, a diff file, or a pull request (docs/ci.md)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from loom.cli import wiring
from loom.cli.forks import Stranger
from loom.cli.host import Host
from loom.core.change import ChangeRef, ChangeSet, Files, NoFiles, Unread
from loom.core.errors import SourceError, UsageError, did_you_mean
from loom.core.result import Notice

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.cli.target import Target
    from loom.infra.git import Git
    from loom.infra.loop_thread import LoopThread
    from loom.infra.net import Network
    from loom.platforms.base import Platform
    from loom.platforms.pull import Pull, Tip

_BARS = ("blocker", "warning", "info", "never")
_LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPull:
    """A pull request that was read, and the connection over which its review can be posted."""

    target: Target
    pull: Pull
    platform: Platform
    """To be called on `bridge` only."""
    bridge: LoopThread

    @property
    def can_post(self) -> bool:
        """Whether the job can be expected to: a fork's, whose token may only read, leaves it to the second stage."""
        job = self.target.job
        return self.target.token is not None and not (job is not None and not job.privileged and self.pull.pr.fork)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A change to review, and what is known about where it comes from. Close it when its files are not needed."""

    change: ChangeSet
    files: Files
    tip: Tip | None = None
    """Where the configuration of a pull request is read."""
    pull: OpenPull | None = None
    stranger: Stranger = Stranger()  # noqa: RUF009 (frozen)
    notices: tuple[Notice, ...] = ()
    skipped: str | None = None
    """Why there is nothing to review."""
    on_close: tuple[Callable[[], object], ...] = field(default=(), repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for close in self.on_close:
            close()


def find_change(flags: ReviewFlags, host: Host, checkout: wiring.Checkout) -> Found:
    """The change the flags name, or the CI job's own. Raises SourceError with what to do when it cannot be had."""
    from loom.platforms import local

    if flags.diff is not None:
        diff = local.diff_file(_diff_bytes(flags.diff, host), root=checkout.root if checkout.has_files else None)
        return _here(diff)
    if _wants_pull(flags, host):
        from loom.cli import target

        found = target.find(flags, host, checkout.git)
        if found is not None:
            return _find_pull(found, flags, host, checkout)
    git = checkout.need_git()
    if flags.commit:
        return _here(local.commit(git, flags.commit))
    if flags.staged:
        return _here(local.staged(git))
    if flags.base and not flags.local:
        return _here(local.range_(git, flags.base, flags.head))
    if host.in_ci and not flags.local:
        raise UsageError(
            "this is a CI job, and nothing says which change to review",
            hint="--base origin/main for the commits of a branch, --pr NUMBER for a pull request, or --local for the "
            "working tree",
        )
    return _here(local.local(git, base=flags.base))


def _here(reading: tuple[ChangeSet, Files]) -> Found:
    return Found(change=reading[0], files=reading[1])


def _wants_pull(flags: ReviewFlags, host: Host) -> bool:
    if flags.pr is not None:
        return True
    wanted = host.in_ci and not (flags.local or flags.staged or flags.base or flags.commit)
    for name, value in (("platform", flags.platform), ("platform-url", flags.platform_url), ("repo", flags.repo)):
        if value is not None and not wanted:
            raise UsageError(f"--{name} is about a pull request, and none is named", hint="--pr NUMBER")
    return wanted


# -- a pull request ---------------------------------------------------------------------------------------------------


def _find_pull(target: Target, flags: ReviewFlags, host: Host, checkout: wiring.Checkout) -> Found:
    """Connect and read. What was opened is closed where that fails."""
    from loom.cli import forks
    from loom.cli import target as targets
    from loom.infra import process
    from loom.infra.loop_thread import LoopThread
    from loom.infra.net import origin_of
    from loom.platforms.base import AuthError, DeniedError, MissingError, PlatformError
    from loom.platforms.pull import as_source_error

    job = target.job
    if job is not None and job.is_fork and job.head_sha is not None:  # before anything else is done
        forks.refuse_checkout(job, checkout.git, host.environ, heads={job.head_sha})
    if job is not None and job.event == "merge_group" and flags.pr is None:
        return _nothing(target, "a merge group: each of its pull requests was reviewed by itself")
    if flags.offline and not origin_of(target.project.api_url).is_loopback:
        raise UsageError("a pull request is read over the network, and --offline allows none", hint="leave it out")
    bridge = LoopThread()
    network = targets.network(target, host, offline=flags.offline)
    closing: list[Callable[[], object]] = [bridge.settle, lambda: bridge.call(network.aclose()), bridge.close]
    try:
        number = target.number or _number(target, network, bridge)
        if number is None:
            assert job is not None
            found = _nothing(target, f"no open pull request has {(job.head_sha or '')[:12]} as its head")
        else:
            found = _read_pull(target, number, network, bridge, host, checkout, closing)
    except BaseException as error:
        if not isinstance(error, Exception):  # an interrupt: a fetch that is under way would be waited for
            process.stop_all()
        for close in closing:
            close()
        if isinstance(error, PlatformError):
            source = as_source_error(error)
            if isinstance(error, AuthError | DeniedError | MissingError) and isinstance(source, SourceError):
                source = targets.explained(target, source)
            raise source from error
        raise
    return replace(found, on_close=tuple(closing))


def _number(target: Target, network: Network, bridge: LoopThread) -> int | None:
    """The pull request of a commit; None where there is none. Raises UsageError where the event names no commit."""
    from loom.cli import target as targets
    from loom.platforms import ci
    from loom.platforms.pull import no_pull_request, number_of

    job = target.job
    assert job is not None  # only a job's own pull request is without a number
    if job.event not in ("push", "workflow_run") or job.head_sha is None:
        raise no_pull_request(job, ci.title_of(job.ci))
    return bridge.call(number_of(targets.connect(target, 0, network), job))


def _read_pull(
    target: Target,
    number: int,
    network: Network,
    bridge: LoopThread,
    host: Host,
    checkout: wiring.Checkout,
    closing: list[Callable[[], object]],
) -> Found:
    from loom.cli import forks
    from loom.cli import target as targets
    from loom.platforms import pull as pulls

    platform = targets.connect(target, number, network)
    closing.insert(1, lambda: bridge.call(platform.aclose()))
    git = checkout.git or _empty(host, closing)
    remote = targets.remote(target, platform, host, network) if git is not None else None
    source = pulls.Source(
        platform=platform,
        project=target.project,
        bridge=bridge,
        ci=target.job,
        objects=git,
        fetch=(lambda commits: git.fetch(remote, commits)) if git is not None and remote is not None else None,
    )
    pull = bridge.call(pulls.read(source))
    if pull.pr.fork:
        forks.refuse_checkout(target.job, checkout.git, host.environ, heads={pull.pr.head_sha})
    withheld = targets.withheld_notice(target)
    change = pull.change
    if pull.skipped is None and pull.tip.names(".loom/rules") is None:
        unread = Unread(".loom/rules", "the target branch's own rules could not be listed without git")
        change = replace(change, unread=(*change.unread, unread))
    return Found(
        change=change,
        files=pull.files,
        tip=pull.tip,
        pull=OpenPull(target=target, pull=pull, platform=platform, bridge=bridge),
        stranger=forks.stranger(target.job, pull.pr, host.environ),
        notices=(*pull.notices, *([withheld] if withheld else [])),
        skipped=pull.skipped,
    )


def _empty(host: Host, closing: list[Callable[[], object]]) -> Git | None:
    """A repository to fetch into, for a job without a checkout; None where there is no git."""
    from loom.infra.git import Git

    try:
        git = Git.bare(host.environ)
    except SourceError:  # the platform's API is all there is then
        return None
    closing.append(git.close)
    return git


def _nothing(target: Target, reason: str) -> Found:
    """A job that is about no pull request."""
    job, project = target.job, target.project
    head = job.head_sha if job is not None else None
    ref = ChangeRef("pr", platform=project.platform, repo=project.repo, head_sha=head)
    return Found(change=ChangeSet(ref, ()), files=NoFiles(), skipped=reason)


# -- the command line -------------------------------------------------------------------------------------------------


def check(flags: ReviewFlags) -> None:
    """Refuse flags that exclude each other or mean nothing. Raises UsageError."""
    given = [
        name
        for name, value in (
            ("--local", flags.local),
            ("--staged", flags.staged),
            ("--base", flags.base),
            ("--commit", flags.commit),
            ("--diff", flags.diff),
            ("--pr", flags.pr),
            ("--last", flags.last),
        )
        if value
    ]
    for name in (
        "base",
        "head",
        "commit",
        "diff",
        "pr",
        "repo",
        "platform",
        "platform_url",
        "config",
        "model",
        "format",
    ):
        if getattr(flags, name) == "":  # a script's variable that is not set: anything but an error is a guess
            raise UsageError(f"--{name.replace('_', '-')} is empty", hint="give it a value, or leave it out")
    if flags.last and (flags.fail_on or flags.paths or flags.pipelines or flags.skip or flags.model):
        raise UsageError("--last prints the last result as it was", hint="review again to choose anew")
    if len(given) > 1 and given != ["--local", "--base"]:
        raise UsageError(f"{' and '.join(given)} cannot be used together", hint="choose one change to review")
    if flags.head and not flags.base:
        raise UsageError("--head needs --base", hint="--base REV --head REV; for one commit: --commit REV")
    if flags.post and given and given != ["--pr"]:
        raise UsageError(f"--post cannot be used with {given[0]}", hint="only the review of a pull request is posted")
    if flags.shard is not None:
        from loom.engine.shards import Shard

        Shard.parse(flags.shard)
        if flags.post or flags.last:
            raise UsageError("--shard makes one part of a review", hint="loom publish posts all parts together")
    if flags.fail_on is not None and flags.fail_on not in _BARS:
        known = ", ".join(_BARS)
        raise UsageError(f'--fail-on: unknown level "{flags.fail_on}".{did_you_mean(flags.fail_on, _BARS)}', hint=known)
    if flags.log_format not in _LOG_FORMATS:
        raise UsageError(f'--log-format: "{flags.log_format}" is neither text nor json')


def _diff_bytes(name: str, host: Host) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return (host.cwd / name).read_bytes()
    except OSError as error:
        raise SourceError(
            f"cannot read the diff {name}: {error.strerror}", hint="--diff FILE, or - for stdin"
        ) from error
