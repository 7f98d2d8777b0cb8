"""One `loom publish`: result files to a review on the pull request.

What a file may do is decided by the event, never by the file (docs/publish.md): the pull request and its head come
from the job and the platform; where a fork is handled, or another workflow made the file, it can only add findings.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loom.cli import wiring
from loom.cli.host import Host, this_host
from loom.core.errors import UsageError
from loom.core.result import ReviewResult

if TYPE_CHECKING:
    from loom.cli.crew import Chosen
    from loom.cli.flags import ReviewFlags
    from loom.cli.opening import Opened
    from loom.cli.source import Found, OpenPull
    from loom.engine.job import Job, Tools

_OTHER_WORKFLOW = "workflow_run"
"""The event of a job that another workflow's run has started: its files are that workflow's."""


@dataclass(frozen=True, slots=True)
class _File:
    """A result file that was read."""

    name: str
    result: ReviewResult
    trusted: bool


def run_publish(flags: ReviewFlags, names: Sequence[str], own: Sequence[str]) -> int:
    """Carry out `loom publish`; the exit code. Raises LoomError before anything is posted."""
    from loom.cli import session
    from loom.cli.show import Shown
    from loom.cli.source import check, find_change
    from loom.infra import process

    session.start_log(flags)
    host = this_host()
    check(flags)
    if not names and not own:
        raise UsageError("no result file is named", hint="loom publish RESULT.json…")
    shown = Shown.of(flags, host)
    read = [(name, _read(name, host)) for name in dict.fromkeys((*own, *names))]
    process.protect_environment()
    with wiring.open_checkout(host) as checkout:
        if flags.pr is None and not host.in_ci:
            raise UsageError("nothing says which pull request to post on", hint="--pr URL")
        with find_change(flags, host, checkout) as found:
            if found.skipped is not None:
                return session.deliver(session.skipped(found), shown)
            pull = _need_pull(found)
            files = [_File(name, result, trusted=name in own or not is_foreign(pull)) for name, result in read]
            for file in files:
                _check_about(file, pull)
            result = _publish(flags, host, checkout, found, files)
    return session.deliver(result, shown)


def is_foreign(pull: OpenPull) -> bool:
    """Whether result files that the job is given may come from a stranger: the pull request is a fork's, or the job was
    started by another workflow's run, whose files these are."""
    job = pull.target.job
    return pull.pull.pr.fork or (job is not None and (job.is_fork or job.event == _OTHER_WORKFLOW))


# -- the files --------------------------------------------------------------------------------------------------------


def _read(name: str, host: Host) -> ReviewResult:
    from loom.store import record

    try:
        with (host.cwd / name).open("rb") as file:
            return record.loads(file.read(record.MAX_BYTES + 1), name=name)
    except OSError as error:
        hint = "name a file that `loom review --output json:FILE` wrote"
        raise UsageError(f"cannot read {name}: {error.strerror or error}", hint=hint) from error


def _need_pull(found: Found) -> OpenPull:
    if found.pull is None:
        raise UsageError("nothing says which pull request to post on", hint="--pr NUMBER or URL")
    return found.pull


def _check_about(file: _File, pull: OpenPull) -> None:
    """Refuse a file about another change. Raises UsageError."""
    from loom.platforms.ci_context import same_commit

    change, project, pr = file.result.change, pull.target.project, pull.pull.pr
    if change.source != "pr" or change.number is None:
        hint = "make it in the pull request's job, or with loom review --pr NUMBER"
        raise UsageError(
            f"{file.name} is the result of a {change.source} review: it is about no pull request", hint=hint
        )
    here = f"{project.repo}#{pr.number} on {project.platform}"
    same_place = (change.platform, (change.repo or "").casefold()) == (project.platform, project.repo.casefold())
    if not same_place or change.number != pr.number:
        there = f"{(change.repo or '?')[:100]}#{change.number} on {(change.platform or '?')[:40]}"
        raise UsageError(
            f"{file.name} is about {there}, and this job is about {here}", hint="name its own result files"
        )
    if not same_commit(change.head_sha or "", pr.head_sha):
        raise UsageError(
            f"{file.name} was made for head {(change.head_sha or '?')[:12]} of {here}, whose head is "
            f"{pr.head_sha[:12]} now",
            hint="review the new head; its own job does, if it has one",
            slug="stale-result",
        )


# -- what they come to ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Desk:
    """What putting results together takes."""

    opened: Opened
    chosen: Chosen
    job: Job
    tools: Tools


def _publish(
    flags: ReviewFlags, host: Host, checkout: wiring.Checkout, found: Found, files: Sequence[_File]
) -> ReviewResult:
    """Put together, judge, and post."""
    from loom.cli.posting import post_result
    from loom.engine.foreign import adopt, without_taken_over

    desk = _desk(flags, host, checkout, found)
    own = _trusted([(file.name, file.result) for file in files if file.trusted], desk)
    foreign = [(file.name, file.result) for file in files if not file.trusted]
    if foreign:
        result = adopt(own, foreign, desk.job, desk.tools)
    else:
        assert own is not None
        result = own
    if not flags.post:
        return result
    assert found.pull is not None
    return post_result(
        result,
        found.pull,
        desk.opened,
        desk.chosen.config,
        host,
        may_approve=own is not None,
        allow_incomplete=flags.allow_incomplete,
        admit=lambda told, memory: without_taken_over(told, memory.earlier()),
    )


def _desk(flags: ReviewFlags, host: Host, checkout: wiring.Checkout, found: Found) -> _Desk:
    from loom.cli import crew, session
    from loom.cli.memory import remembered
    from loom.cli.opening import open_config

    opened = open_config(
        host,
        checkout,
        change=found.change,
        tip=found.tip,
        stranger=found.stranger,
        config=flags.config,
        flags=session.config_flags(flags),
    )
    chosen = crew.Chosen.of(flags, host, opened)
    job = session.make_job(flags, host, opened, chosen, found, timings={})
    memory, notices = remembered(host, opened, chosen.config.memory, wiring.repo_state(host, checkout))
    tools = crew.make_tools(
        flags, host, checkout, opened, chosen, cache=None, tag=secrets.token_hex(4), stop=lambda: None
    )
    return _Desk(opened, chosen, replace(job, memory=memory, notices=notices), tools)


def _trusted(files: Sequence[tuple[str, ReviewResult]], desk: _Desk) -> ReviewResult | None:
    """The review that the job's own files make. Raises UsageError for files that make none, MissingPartsError."""
    from loom.engine.foreign import with_hunks
    from loom.engine.review import put_together
    from loom.engine.shards import gather

    if not files:
        return None
    parts = [(name, result) for name, result in files if result.shard is not None]
    whole = [(name, result) for name, result in files if result.shard is None]
    if parts and whole:
        raise UsageError(
            f"{whole[0][0]} is a whole review, and {parts[0][0]} is part {parts[0][1].shard} of one",
            hint="publish either",
        )
    if parts:
        return put_together(desk.job, desk.tools, gather(parts))
    if len(whole) > 1:
        raise UsageError(
            f"{whole[0][0]} and {whole[1][0]} are both whole reviews of this head",
            hint="publish one; to divide the work, use loom review --shard K/N",
        )
    return with_hunks(whole[0][1], desk.job, desk.tools)
