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
from loom.core.errors import LoomError, SourceError, UsageError, did_you_mean
from loom.core.result import Notice, ReviewResult

if TYPE_CHECKING:
    from loom.cli.crew import Chosen
    from loom.cli.flags import ReviewFlags
    from loom.cli.opening import Opened
    from loom.cli.show import Shown
    from loom.config.load import Flag
    from loom.config.schema import Config
    from loom.core.change import ChangeSet, Files, Source
    from loom.engine.job import Job
    from loom.store.cache import Cache
    from loom.store.state import RepoState

_BARS = ("blocker", "warning", "info", "never")
_LOG_FORMATS = ("text", "json")

_AFTER_THE_ANSWER = ("loom.engine.parse", "loom.engine.suppress", "loom.store.record", "loom.outputs.terminal_plain")
"""What is needed only then, and imported while the models think: a tenth of the time Loom itself takes."""
_REQUESTS_ARE_OUT_S = 0.15


def run_review(flags: ReviewFlags) -> int:
    """Carry out `loom review`; the exit code. Raises LoomError before any work that cannot be done."""
    from loom.infra import log

    interrupts.listen()
    host = this_host()
    check(flags)
    verbosity = -1 if flags.quiet else flags.verbose
    log.configure(
        sys.stderr, form="json" if flags.log_format == "json" else "text", verbosity=verbosity, mask=wiring.mask_own
    )
    try:
        return _run(flags, host)
    except LoomError as error:
        log.show_error(error)
        return error.exit_code


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
    return _deliver(result, shown)


def _never_began(flags: ReviewFlags, error: LoomError) -> ReviewResult:
    """The result of a review that could not begin."""
    from loom import __version__
    from loom.core.change import ChangeRef
    from loom.core.result import Outcome

    chosen = {"diff": flags.diff, "staged": flags.staged, "range": flags.commit or (flags.base and not flags.local)}
    kinds: tuple[Source, ...] = ("diff", "staged", "range")
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
    from loom.cli.opening import open_config
    from loom.infra import ahead, process

    process.protect_environment()  # before any child runs: none may read our keys in /proc
    started = time.monotonic()
    with ahead.importing("loom.config.load", "loom.cli.crew"):  # what every review needs next
        change, files = read_change(flags, host, checkout)
    read = time.monotonic()
    opened = open_config(
        host,
        checkout,
        change=change,
        on_base=flags.base is not None,
        config=flags.config,
        flags=config_flags(flags),
        offline=flags.offline,
    )
    source = change.ref.source
    previous = _previous(state.last(of=source), change) if source != "diff" else None
    timings = {"source": _ms(read - started), "config": _ms(time.monotonic() - read)}
    result = _review(flags, host, checkout, opened, change, files, previous, timings)
    if result.outcome.ran:
        from loom.store.record import dumps

        # Only a whole review is what the next one is compared with: a narrow or broken one would make the rest "new".
        narrow = bool(flags.paths or flags.pipelines or flags.skip)
        whole = result.outcome.complete and not narrow and source != "diff"
        _keep(state, dumps(result).encode(), of=source if whole else None)
        _trace(result, host, offline=flags.offline)
    return result


def _deliver(result: ReviewResult, shown: Shown) -> int:
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
            ("--last", flags.last),
        )
        if value
    ]
    for name in ("base", "head", "commit", "diff", "config", "model", "format"):
        if getattr(flags, name) == "":  # a script's variable that is not set: anything but an error is a guess
            raise UsageError(f"--{name} is empty", hint="give it a value, or leave it out")
    if flags.last and (flags.fail_on or flags.paths or flags.pipelines or flags.skip or flags.model):
        raise UsageError("--last prints the last result as it was", hint="review again to choose anew")
    if len(given) > 1 and given != ["--local", "--base"]:
        raise UsageError(f"{' and '.join(given)} cannot be used together", hint="choose one change to review")
    if flags.head and not flags.base:
        raise UsageError("--head needs --base", hint="--base REV --head REV; for one commit: --commit REV")
    if flags.fail_on is not None and flags.fail_on not in _BARS:
        known = ", ".join(_BARS)
        raise UsageError(f'--fail-on: unknown level "{flags.fail_on}".{did_you_mean(flags.fail_on, _BARS)}', hint=known)
    if flags.log_format not in _LOG_FORMATS:
        raise UsageError(f'--log-format: "{flags.log_format}" is neither text nor json')


def read_change(flags: ReviewFlags, host: Host, checkout: wiring.Checkout) -> tuple[ChangeSet, Files]:
    """The change the flags name. Raises SourceError with what to do when it cannot be had."""
    from loom.platforms import local

    if flags.diff is not None:
        return local.diff_file(_diff_bytes(flags.diff, host), root=checkout.root if checkout.has_files else None)
    git = checkout.need_git()
    if flags.commit:
        return local.commit(git, flags.commit)
    if flags.staged:
        return local.staged(git)
    if flags.base and not flags.local:
        return local.range_(git, flags.base, flags.head)
    if host.in_ci and not flags.local:
        raise UsageError(
            "this is a CI job, and nothing says which change to review",
            hint="--base origin/main for the commits of a branch, or --local for the working tree",
        )
    return local.local(git, base=flags.base)


def _diff_bytes(name: str, host: Host) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return (host.cwd / name).read_bytes()
    except OSError as error:
        raise SourceError(
            f"cannot read the diff {name}: {error.strerror}", hint="--diff FILE, or - for stdin"
        ) from error


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
    change: ChangeSet,
    files: Files,
    *,
    previous: ReviewResult | None = None,
    timings: Mapping[str, int],
) -> Job:
    """What to review, and how."""
    from loom.engine.job import Job
    from loom.engine.plan import Selection

    return Job(
        change=change,
        files=files,
        config=chosen.config,
        config_hash=opened.loaded.digest,
        selection=Selection(pipelines=flags.pipelines, skip=flags.skip, paths=flags.paths),
        previous=previous,
        notices=(*opened.loaded.notices, *chosen.notices, *_about(change, host)),
        allow_incomplete=flags.allow_incomplete,
        with_diff=not flags.no_diff,
        timings_ms=timings,
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
    change: ChangeSet,
    files: Files,
    previous: ReviewResult | None,
    timings: Mapping[str, int],
) -> ReviewResult:
    from loom.cli import crew
    from loom.cli.memory import remembered
    from loom.engine.review import review
    from loom.infra import ahead, process

    chosen = crew.Chosen.of(flags, host, opened)
    kept = open_cache(host, chosen.config)
    job = make_job(flags, host, opened, chosen, change, files, previous=previous, timings=timings)
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

    try:
        return asyncio.run(main())
    finally:
        if kept is not None:
            kept.close(now_s=time.time())


def _about(change: ChangeSet, host: Host) -> tuple[Notice, ...]:
    """What to know about the change itself. A user's own edit of .loom/ waits for `loom trust`, and is said there."""
    from loom.config.trust import changes_configuration

    notice = changes_configuration(f.path for f in change.files) if host.in_ci else None
    return (notice,) if notice else ()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
