"""One `loom review`, from flags to exit code: source, configuration, choice of models, review, output, state."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from loom.cli import interrupts, wiring
from loom.cli.host import Host, this_host
from loom.cli.source import Found, check, find_change
from loom.core.errors import LoomError, UsageError
from loom.core.result import Notice, ReviewResult

if TYPE_CHECKING:
    from loom.cli.crew import Chosen
    from loom.cli.flags import ReviewFlags
    from loom.cli.opening import Opened
    from loom.cli.posting import Desk
    from loom.cli.show import Shown
    from loom.config.load import Flag
    from loom.config.schema import Config
    from loom.core.change import ChangeSet, Source
    from loom.engine.job import Job
    from loom.store.cache import Cache
    from loom.store.state import RepoState

_AFTER_THE_ANSWER = ("loom.engine.parse", "loom.engine.suppress", "loom.store.record", "loom.outputs.terminal_plain")
"""What is needed only then, and imported while the models think: a tenth of the time Loom itself takes."""
_REQUESTS_ARE_OUT_S = 0.15


def run_review(flags: ReviewFlags) -> int:
    """Carry out `loom review`; the exit code. Raises LoomError before any work that cannot be done."""
    from loom.infra import log

    interrupts.listen()
    host = this_host()
    check(flags)
    start_log(flags)
    try:
        return _run(flags, host)
    except LoomError as error:
        log.show_error(error)
        return error.exit_code


def start_log(flags: ReviewFlags) -> None:
    """Say on stderr what the flags want to hear."""
    from loom.infra import log

    verbosity = -1 if flags.quiet else flags.verbose
    form: log.Format = "json" if flags.log_format == "json" else "text"
    log.configure(sys.stderr, form=form, verbosity=verbosity, mask=wiring.mask_own)


def _run(flags: ReviewFlags, host: Host) -> int:
    from loom.cli.show import Shown

    shown = Shown.of(flags, host)  # first: a mistyped output must not cost a review
    try:
        with interrupts.told(), wiring.open_checkout(host) as checkout:
            state = wiring.repo_state(host, checkout)
            result = _last(state.last()) if flags.last else _fresh(flags, host, checkout, state)
    except LoomError as error:
        shown.files_only().write(_never_began(flags, error))  # a job that collects results finds the reason in them
        raise
    return deliver(result, shown)


def _never_began(flags: ReviewFlags, error: LoomError) -> ReviewResult:
    """The result of a review that could not begin."""
    from loom import __version__
    from loom.core.change import ChangeRef
    from loom.core.result import Outcome

    chosen = {"diff": flags.diff, "staged": flags.staged, "range": flags.commit or (flags.base and not flags.local)}
    chosen["pr"] = flags.pr
    kinds: tuple[Source, ...] = ("diff", "staged", "range", "pr")
    source: Source = next((kind for kind in kinds if chosen[kind]), "local")
    outcome = Outcome(
        ran=False, complete=False, blocking=False, delivered=None, skipped=None, exit_code=error.exit_code
    )
    return ReviewResult(
        tool_version=__version__,
        change=ChangeRef(source),
        config_hash="",
        outcome=outcome,
        errors=(Notice(error.slug, wiring.mask_own(error.message), wiring.mask_own(error.hint)),),
    )


def review_now(flags: ReviewFlags, host: Host, checkout: wiring.Checkout, state: RepoState) -> ReviewResult:
    """Review the change that the flags name, and remember the result; nothing is printed. Raises LoomError before any
    work that cannot be done."""
    return _fresh(flags, host, checkout, state)


def _fresh(flags: ReviewFlags, host: Host, checkout: wiring.Checkout, state: RepoState) -> ReviewResult:
    """Review now, and remember the result."""
    from loom.infra import ahead, process

    process.protect_environment()  # before any child runs: none may read our keys in /proc
    started = time.monotonic()
    with ahead.importing("loom.config.load", "loom.cli.crew"):  # what every review needs next
        found = find_change(flags, host, checkout)
    with found:
        return _review_found(flags, host, checkout, state, found, started)


def _review_found(
    flags: ReviewFlags,
    host: Host,
    checkout: wiring.Checkout,
    state: RepoState,
    found: Found,
    started: float,
) -> ReviewResult:
    """Review what was found, remember the result, and post it where that is wanted."""
    from loom.cli.opening import open_config

    change = found.change
    if found.skipped is not None:
        return skipped(found)
    read = time.monotonic()
    opened = open_config(
        host,
        checkout,
        change=change,
        tip=found.tip,
        stranger=found.stranger,
        on_base=flags.base is not None,
        config=flags.config,
        flags=config_flags(flags),
        offline=flags.offline,
    )
    source = change.ref.source
    previous = _previous(state.last(of=source), change) if source not in ("diff", "pr") else None
    timings = {"source": _ms(read - started), "config": _ms(time.monotonic() - read)}
    result = _review(flags, host, checkout, opened, found, previous, timings)
    if result.outcome.ran:
        from loom.store.record import dumps

        # Only a whole review is what the next one is compared with: a narrow or broken one would make the rest "new".
        narrow = bool(flags.paths or flags.pipelines or flags.skip or flags.shard)
        whole = result.outcome.complete and not narrow and source != "diff"
        _keep(state, dumps(result).encode(), of=source if whole else None)
        _trace(result, host, offline=flags.offline)
    return result


def skipped(found: Found) -> ReviewResult:
    """The result of a job that has nothing to review: that is no failure of the change."""
    from loom import __version__
    from loom.engine import gate

    outcome = gate.outcome(blocking=False, pipelines=(), unread=False, skipped=found.skipped)
    return ReviewResult(
        tool_version=__version__, change=found.change.ref, config_hash="", outcome=outcome, warnings=found.notices
    )


def posts(flags: ReviewFlags, host: Host, found: Found) -> bool:
    """Whether the review goes to the platform: in a CI job for a pull request unless told otherwise, elsewhere only
    with `--post`. A fork's job may not, and leaves it to the second stage."""
    if found.pull is None or found.skipped is not None or flags.shard is not None:
        return False
    return (flags.post is True) or (flags.post is None and host.in_ci and found.pull.can_post)


def deliver(result: ReviewResult, shown: Shown) -> int:
    """Write the outputs, files first: a closed pager must not cost the artifact. The exit code: an output that did not
    arrive counts, never hides a blocker, and stands in every output that did arrive."""
    from loom.infra import log

    files = shown.files_only()
    failed = files.write(result)
    if failed:
        result = _undelivered(result)
        files.write(result)
    failed += shown.screen_only().write(result)
    for error in dict.fromkeys(failed):
        log.show_error(error)
    return _undelivered(result).outcome.exit_code if failed else result.outcome.exit_code


def _undelivered(result: ReviewResult) -> ReviewResult:
    from loom.engine.gate import Exit

    outcome = result.outcome
    code = Exit.UNDELIVERED if outcome.exit_code in (Exit.OK, Exit.INCOMPLETE) else outcome.exit_code
    return replace(result, outcome=replace(outcome, delivered=False, exit_code=int(code)))


def config_flags(flags: ReviewFlags) -> Mapping[str, Flag]:
    """What the flags set in the configuration."""
    from loom.config.load import Flag

    given: dict[str, Flag] = {}
    if flags.fail_on is not None:
        given["output.fail_on"] = Flag("--fail-on", flags.fail_on)
        given["output.fail_on_model"] = Flag("--fail-on", flags.fail_on)
    if flags.fail_on_model is not None:
        given["output.fail_on_model"] = Flag("loom hook", flags.fail_on_model)
    if flags.max_cost is not None:
        given["budget.max_cost"] = Flag("--max-cost", flags.max_cost)
    if flags.max_seconds is not None:
        given["budget.max_seconds"] = Flag("--max-seconds", flags.max_seconds)
    if flags.no_cache:
        given["cache.enabled"] = Flag("--no-cache", False)
    return given


def _previous(last: bytes | None, change: ChangeSet) -> ReviewResult | None:
    """The last result, if it was about the same change: then findings are new, open or fixed against it."""
    if last is None:
        return None
    try:
        result = _last(last)
    except LoomError:
        return None  # written by another version, or damaged: this review starts over
    same = (result.change.source, result.change.merge_base) == (change.ref.source, change.ref.merge_base)
    return result if same else None


def _last(last: bytes | None) -> ReviewResult:
    from loom.store.record import loads

    if last is None:
        raise UsageError("there is no last result for this repository", hint="run loom review first")
    return loads(last)


def _trace(result: ReviewResult, host: Host, *, offline: bool) -> None:
    """Send a trace, if the host asked for one. That it does not arrive is no reason to lose the review."""
    from loom.infra import telemetry

    if telemetry.wanted(host.environ) is None:
        return
    from loom.cli import traces
    from loom.infra import log

    if trouble := traces.send(result, environ=host.environ, ended_s=time.time(), offline=offline):
        log.logger("traces").warning("%s", trouble)


def _keep(state: RepoState, data: bytes, *, of: str | None) -> None:
    """Remember the result. A home that cannot be written is no reason to lose the review."""
    from loom.infra import log

    try:
        state.save_last(data, of=of)
    except OSError as error:
        log.logger("state").warning("the result was not kept for --last: %s", error.strerror or error)


def make_job(
    flags: ReviewFlags,
    host: Host,
    opened: Opened,
    chosen: Chosen,
    found: Found,
    *,
    previous: ReviewResult | None = None,
    timings: Mapping[str, int],
) -> Job:
    """What to review, and how."""
    from loom.engine.job import Job
    from loom.engine.plan import Selection
    from loom.engine.shards import Shard

    return Job(
        change=found.change,
        files=found.files,
        config=chosen.config,
        config_hash=opened.loaded.digest,
        selection=Selection(pipelines=flags.pipelines, skip=flags.skip, paths=flags.paths),
        previous=previous,
        notices=(*opened.loaded.notices, *chosen.notices, *found.notices, *_about(found.change, host)),
        allow_incomplete=flags.allow_incomplete,
        with_diff=not flags.no_diff,
        timings_ms=timings,
        shard=Shard.parse(flags.shard) if flags.shard is not None else None,
    )


def open_cache(host: Host, config: Config) -> Cache | None:
    """The answers that are kept; None where the configuration wants none."""
    from loom.store.cache import Cache

    if not config.cache.enabled:
        return None
    return Cache(
        host.cache_dir,
        secret=host.environ.get("LOOM_STATE_KEY", ""),
        ttl_days=config.cache.ttl_days,
        max_mb=config.cache.max_mb,
    )


def _review(
    flags: ReviewFlags,
    host: Host,
    checkout: wiring.Checkout,
    opened: Opened,
    found: Found,
    previous: ReviewResult | None,
    timings: Mapping[str, int],
) -> ReviewResult:
    from loom.cli import crew
    from loom.cli.memory import remembered
    from loom.engine.review import review
    from loom.infra import ahead, process

    chosen = crew.Chosen.of(flags, host, opened)
    kept = open_cache(host, chosen.config)
    job = make_job(flags, host, opened, chosen, found, previous=previous, timings=timings)
    memory, notices = remembered(host, opened, chosen.config.memory, wiring.repo_state(host, checkout))
    job = replace(job, memory=memory, notices=(*job.notices, *notices))

    async def main() -> ReviewResult:
        tools = crew.make_tools(
            flags, host, checkout, opened, chosen, cache=kept, tag=secrets.token_hex(4), stop=process.stop_all
        )
        gc.freeze()  # what is there by now stays to the end: the change and the modules (__main__ says why it is off)
        gc.enable()
        later = asyncio.get_running_loop().call_later(_REQUESTS_ARE_OUT_S, ahead.start, *_AFTER_THE_ANSWER)
        with interrupts.cancelling(), tools.progress:
            try:
                return await review(job, tools)
            finally:
                later.cancel()
                with contextlib.suppress(asyncio.CancelledError):  # too late to interrupt: the result is there
                    await chosen.aclose()

    desk = _desk(flags, host, opened, found, chosen.config)
    try:
        result = asyncio.run(main())
    finally:
        if kept is not None:
            kept.close(now_s=time.time())
    return _posted(result, desk)


def _desk(flags: ReviewFlags, host: Host, opened: Opened, found: Found, config: Config) -> Desk | None:
    """What posting needs; None where nothing is to be posted. Raises ConfigError before any work."""
    if found.pull is None or not (flags.dry_run or posts(flags, host, found)):
        return None
    from loom.cli.posting import Desk, check

    desk = Desk(
        pull=found.pull,
        config=config,
        host=host,
        read=opened.read,
        allow_incomplete=flags.allow_incomplete,
        dry_run=flags.dry_run,
    )
    check(desk)
    return desk


def _posted(result: ReviewResult, desk: Desk | None) -> ReviewResult:
    """The result once it is posted. An interrupted review posts nothing half-done."""
    from loom.engine.gate import Exit

    if desk is None or result.outcome.exit_code == Exit.INTERRUPTED:
        return result
    from loom.cli.posting import post

    started = time.monotonic()
    posted = post(result, desk)
    spent = _ms(time.monotonic() - started)
    total = posted.timings_ms.get("total", 0) + spent
    return replace(posted, timings_ms={**posted.timings_ms, "publish": spent, "total": total})


def _about(change: ChangeSet, host: Host) -> tuple[Notice, ...]:
    """What to know about the change itself. A user's own edit of .loom/ waits for `loom trust`, and is said there."""
    from loom.config.trust import changes_configuration

    pull = change.ref.source == "pr"
    notice = changes_configuration(f.path for f in change.files) if host.in_ci or pull else None
    return (notice,) if notice else ()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
