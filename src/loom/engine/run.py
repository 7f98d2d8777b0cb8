"""Run all of a plan at once. Every unit returns a value or a failure; none takes another down.

Concurrency lives here and nowhere else: one TaskGroup, analyzers in threads, as many requests under way as each
model allows. What is finished is kept as it comes, so that an interrupt loses nothing that was paid for.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from loom.analyzers.base import Analyzer, Report
from loom.config.schema import Pipeline
from loom.core.change import Files
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding
from loom.core.result import Notice, PipelineOutcome, PipelineStatus
from loom.engine.ask import Asked, Desk, ask_chunk, reason_of
from loom.engine.budget import OUT_OF_TIME
from loom.engine.plan import AnalyzerWork, ModelWork, Plan, SkippedPipeline
from loom.engine.show_diff import hunk_ids
from loom.engine.view import FileView
from loom.infra.progress import Progress
from loom.llm.base import Model, Request

_GRACE_S = 1.0
"""How long an interrupt, or the end of the time, waits for analyzers that are under way."""
_LATE = (OUT_OF_TIME, "raise budget.max_seconds (--max-seconds), or narrow the review with --paths or --pipeline")
_INTERRUPTED = ("interrupted", "")


@dataclass(slots=True)
class PipelineRun:
    """One pipeline and what came of it, also while it is still running."""

    pipeline: Pipeline
    findings: list[RawFinding] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    outcome: PipelineOutcome | None = None
    """None until it ended."""
    asked: Asked = field(default_factory=Asked)
    left: set[str] = field(default_factory=set)
    """Hunk ids no answer has come for yet; for an analyzer the paths it has not looked at yet."""
    started_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What running needs, handed in by the review."""

    desk: Desk
    files: Files
    analyzer: Callable[[Pipeline], Analyzer]
    """May raise LoomError: that pipeline failed."""
    models: Mapping[str, Sequence[Model]]
    """Model name -> the model and its fallbacks."""
    request: Callable[[Pipeline, Sequence[FileView]], Request]
    progress: Progress
    clock: Callable[[], float]
    """time.monotonic."""
    stop: Callable[[], None]
    """Kill every child process."""
    parallel: bool = True


async def run_all(plan: Plan, crew: Crew, runs: list[PipelineRun]) -> None:
    """Run everything in `plan`, filling `runs` in plan order. On cancellation the unfinished runs keep what they
    have and CancelledError goes on."""
    runs.extend(_skipped(skip) for skip in plan.skipped)
    jobs: list[Callable[[], Coroutine[None, None, None]]] = []
    for analyzer_work in plan.analyzers:
        runs.append(record := PipelineRun(analyzer_work.pipeline, left={f.path for f in analyzer_work.change.files}))
        jobs.append(partial(_run_analyzer, analyzer_work, crew, record))
    for model_work in plan.models:
        ids = {hunk.id for chunk in model_work.chunks for file in chunk for hunk in file.hunks}
        runs.append(record := PipelineRun(model_work.pipeline, left=ids))
        jobs.append(partial(_run_model, model_work, crew, record))
    for at_once in [jobs] if crew.parallel else [[job] for job in jobs]:
        async with asyncio.TaskGroup() as group:
            for job in at_once:
                group.create_task(job())


def _skipped(skip: SkippedPipeline) -> PipelineRun:
    pipeline = skip.pipeline
    outcome = PipelineOutcome(
        name=pipeline.name,
        kind=pipeline.kind,
        status="failed" if skip.failed else "skipped",
        required=pipeline.required,
        reason=skip.reason,
        hint=skip.hint,
        not_reviewed=skip.paths,
    )
    return PipelineRun(pipeline, outcome=outcome)


async def _run_analyzer(work: AnalyzerWork, crew: Crew, record: PipelineRun) -> None:
    pipeline = work.pipeline
    record.started_s = crew.clock()
    crew.progress.started(pipeline.name)
    report, trouble = await _report(work, crew)
    record.findings.extend(report.findings)
    record.notices.extend(report.notices)
    status: PipelineStatus = "ok"
    reason: str | None = None
    hint = ""
    not_reviewed = report.not_reviewed
    if trouble is not None:
        status = "partial" if report.findings else "failed"
        reason, hint = trouble
        not_reviewed = tuple(f.path for f in work.change.files)
    elif not_reviewed:
        status, reason = "partial", f"{len(not_reviewed)} files could not be looked at"
    elif report.gaps:
        status, reason = "partial", "; ".join(report.gaps)
    record.outcome = PipelineOutcome(
        name=pipeline.name,
        kind=pipeline.kind,
        status=status,
        required=pipeline.required,
        reason=reason,
        hint=hint,
        duration_ms=_since_ms(crew, record),
        not_reviewed=not_reviewed,
    )
    crew.progress.finished(pipeline.name, status, reason)


async def _report(work: AnalyzerWork, crew: Crew) -> tuple[Report, tuple[str, str] | None]:
    """What the analyzer found, and what kept it from looking at everything: (what happened, what to do).

    A thread cannot be interrupted. On an interrupt its children are killed and it gets a moment to end, so that what it
    found is not lost; one that outlasts the review is left behind.
    """
    left_s = crew.desk.budget.deadline - crew.clock()
    if left_s <= 0:
        return Report(), _LATE
    # A command is killed in time; for everything else there is the wait below.
    pipeline = work.pipeline.model_copy(update={"timeout": min(work.pipeline.timeout, left_s)})
    given_up = threading.Event()
    running = _in_thread(lambda: _look(pipeline, work, crew, given_up))
    trouble: tuple[str, str] | None = None
    try:
        await asyncio.wait({running}, timeout=left_s + _GRACE_S)
        trouble = _LATE if not running.done() else None
    except asyncio.CancelledError:  # goes on in the TaskGroup, which was cancelled as a whole
        trouble = _INTERRUPTED
        given_up.set()
        crew.stop()
        await asyncio.wait({running}, timeout=_GRACE_S)
    if not running.done():
        given_up.set()
        running.cancel()
        return Report(), trouble
    error = running.exception()
    if error is None:
        return running.result(), trouble
    if not isinstance(error, Exception):
        raise error
    if isinstance(error, ScriptError) and error.slug == "script-timeout" and pipeline.timeout < work.pipeline.timeout:
        return Report(), trouble or _LATE
    return Report(), trouble or reason_of(error)  # one broken analyzer must not lose what the others found


def _look(pipeline: Pipeline, work: AnalyzerWork, crew: Crew, given_up: threading.Event) -> Report:
    analyzer = crew.analyzer(pipeline)
    # Only now: an analyzer that was made before `crew.stop` starts no children after it.
    return Report() if given_up.is_set() else analyzer.run(work.change, crew.files)


def _in_thread(work: Callable[[], Report]) -> asyncio.Future[Report]:
    """`work` in a thread of its own. The end of the process does not wait for it, as it would for asyncio.to_thread."""
    done: concurrent.futures.Future[Report] = concurrent.futures.Future()

    def run() -> None:
        done.set_running_or_notify_cancel()
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits gets it
            done.set_exception(error)

    threading.Thread(target=run, name="loom-analyzer", daemon=True).start()
    return asyncio.wrap_future(done)


async def _run_model(work: ModelWork, crew: Crew, record: PipelineRun) -> None:
    pipeline = work.pipeline
    record.started_s = crew.clock()
    crew.progress.started(pipeline.name)

    written: dict[str, int] = {}  # tokens of answers still being written, by their chunk's first hunk

    def so_far() -> int:
        return record.asked.input_tokens + record.asked.output_tokens + sum(written.values())

    parts: list[Asked | None] = [None] * len(work.chunks)

    async def one(number: int, chunk: Sequence[FileView]) -> None:
        def tell(characters: int) -> None:
            # About four characters a token: for the display only, the reply's own usage is what counts.
            written[chunk[0].hunks[0].id] = characters // 4
            crew.progress.update(pipeline.name, tokens=so_far())

        try:
            asked = await ask_chunk(
                chunk,
                make=lambda files: crew.request(pipeline, files),
                models=crew.models[work.model],
                desk=crew.desk,
                tell=tell,
            )
        except Exception as error:  # noqa: BLE001 - one chunk must not lose what was paid for the others
            asked = Asked(not_reviewed=hunk_ids(chunk), reasons=(reason_of(error),))
        parts[number] = asked
        # Added up in the order of the chunks, not of the answers: the same input gives the same bytes.
        record.asked = sum((part for part in parts if part is not None), Asked())
        record.findings = list(record.asked.findings)
        record.left -= {hunk.id for file in chunk for hunk in file.hunks}
        written.pop(chunk[0].hunks[0].id, None)
        crew.progress.update(
            pipeline.name,
            tokens=so_far(),
            cost=record.asked.cost_usd if record.asked.cost_known else None,
        )

    async with asyncio.TaskGroup() as group:
        for number, chunk in enumerate(work.chunks):
            group.create_task(one(number, chunk))
    record.outcome = _model_outcome(record, duration_ms=_since_ms(crew, record))
    crew.progress.finished(pipeline.name, record.outcome.status, record.outcome.reason)


def stopped(record: PipelineRun, *, duration_ms: int) -> PipelineOutcome:
    """How a pipeline went that had not ended, or not begun, when the review was interrupted."""
    if record.pipeline.kind == "llm":
        return _model_outcome(record, duration_ms=duration_ms, interrupted=True)
    return PipelineOutcome(
        name=record.pipeline.name,
        kind=record.pipeline.kind,
        status="failed",
        required=record.pipeline.required,
        reason=_INTERRUPTED[0],
        duration_ms=duration_ms,
        not_reviewed=tuple(sorted(record.left)),
    )


def _model_outcome(record: PipelineRun, *, duration_ms: int, interrupted: bool = False) -> PipelineOutcome:
    """How a model pipeline went, from what its chunks came to so far."""
    pipeline, asked = record.pipeline, record.asked
    not_reviewed = (*asked.not_reviewed, *sorted(record.left))
    reasons = [reason for reason, _ in asked.reasons]
    if interrupted and record.left:
        reasons.append(_INTERRUPTED[0])
    status: PipelineStatus = "ok"
    if not_reviewed:
        status = "partial" if asked.answered or record.findings else "failed"
    return PipelineOutcome(
        name=pipeline.name,
        kind="llm",
        status=status,
        required=pipeline.required,
        model=", ".join(asked.models) or None,
        summary=" ".join(asked.summaries),
        reason="; ".join(reasons) or None,
        hint="; ".join(dict.fromkeys(hint for _, hint in asked.reasons if hint)),
        requests=asked.requests,
        retries=asked.retries,
        cache_hits=asked.cache_hits,
        input_tokens=asked.input_tokens,
        cached_tokens=asked.cached_tokens,
        output_tokens=asked.output_tokens,
        # A request that never got a reply has a price nobody knows; a cached answer is free.
        cost_usd=asked.cost_usd if asked.cost_known and (asked.models or not asked.requests) else None,
        duration_ms=duration_ms,
        not_reviewed=not_reviewed,
    )


def _since_ms(crew: Crew, record: PipelineRun) -> int:
    return round((crew.clock() - record.started_s) * 1000)
