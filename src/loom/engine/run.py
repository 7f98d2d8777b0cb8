"""Run all of a plan at once. Every unit returns a value or a failure; none takes another down.

Concurrency lives here and nowhere else: one TaskGroup, analyzers in threads, as many requests under way as each
model allows. What is finished is kept as it comes, so that an interrupt loses nothing that was paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

from loom.analyzers.base import Analyzer, Report
from loom.config.schema import Pipeline
from loom.core.change import Files
from loom.core.errors import LoomError
from loom.core.finding import RawFinding
from loom.core.result import Notice, PipelineOutcome, PipelineStatus
from loom.engine.ask import Asked, Desk, ask_chunk
from loom.engine.plan import AnalyzerWork, ModelWork, Plan, SkippedPipeline
from loom.engine.view import FileView
from loom.infra.progress import Progress
from loom.llm.base import Model, Request

_GRACE_S = 1.0
"""How long an interrupt waits for analyzers that are under way."""


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
    """Hunk ids no answer has come for yet."""
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
    jobs: list[Coroutine[None, None, None]] = []
    for analyzer_work in plan.analyzers:
        runs.append(record := PipelineRun(analyzer_work.pipeline))
        jobs.append(_run_analyzer(analyzer_work, crew, record))
    for model_work in plan.models:
        ids = {hunk.id for chunk in model_work.chunks for file in chunk for hunk in file.hunks}
        runs.append(record := PipelineRun(model_work.pipeline, left=ids))
        jobs.append(_run_model(model_work, crew, record))
    if not crew.parallel:
        for job in jobs:
            async with asyncio.TaskGroup() as group:
                group.create_task(job)
        return
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


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
    status: PipelineStatus = "ok"
    reason: str | None = None
    hint = ""
    not_reviewed: tuple[str, ...] = ()
    try:
        report = await _in_thread(lambda: crew.analyzer(pipeline).run(work.change, crew.files), crew)
    except LoomError as error:
        status, reason, hint = "failed", error.message, error.hint
        not_reviewed = tuple(f.path for f in work.change.files)
    except Exception as error:  # noqa: BLE001 - one broken analyzer must not lose what the others found
        status, reason = "failed", f"internal error: {type(error).__name__}: {error}"
        not_reviewed = tuple(f.path for f in work.change.files)
    else:
        record.findings.extend(report.findings)
        record.notices.extend(report.notices)
        not_reviewed = report.not_reviewed
        if not_reviewed:
            status, reason = "partial", f"{len(not_reviewed)} files could not be looked at"
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


async def _in_thread(work: Callable[[], Report], crew: Crew) -> Report:
    """The report of an analyzer. A thread cannot be interrupted: on an interrupt its children are killed and it gets a
    moment to end, so that what it found is not lost."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        crew.stop()
        done, _ = await asyncio.wait({running}, timeout=_GRACE_S)
        if not done or running.cancelled():
            raise
        return running.result()


async def _run_model(work: ModelWork, crew: Crew, record: PipelineRun) -> None:
    pipeline = work.pipeline
    record.started_s = crew.clock()
    crew.progress.started(pipeline.name)

    written: dict[str, int] = {}  # tokens of answers still being written, by their chunk's first hunk

    def so_far() -> int:
        return record.asked.input_tokens + record.asked.output_tokens + sum(written.values())

    async def one(chunk: Sequence[FileView]) -> None:
        def tell(characters: int) -> None:
            # About four characters a token: for the display only, the reply's own usage is what counts.
            written[chunk[0].hunks[0].id] = characters // 4
            crew.progress.update(pipeline.name, tokens=so_far())

        asked = await ask_chunk(
            chunk,
            make=lambda files: crew.request(pipeline, files),
            models=crew.models[work.model],
            desk=crew.desk,
            tell=tell,
        )
        record.asked += asked
        record.left -= {hunk.id for file in chunk for hunk in file.hunks}
        record.findings.extend(asked.findings)
        written.pop(chunk[0].hunks[0].id, None)
        crew.progress.update(
            pipeline.name,
            tokens=so_far(),
            cost=record.asked.cost_usd if record.asked.cost_known else None,
        )

    try:
        async with asyncio.TaskGroup() as group:
            for chunk in work.chunks:
                group.create_task(one(chunk))
    except* LoomError as errors:  # a prompt that cannot be built: the same for every chunk
        first = errors.exceptions[0]
        if isinstance(first, LoomError):
            lost = Asked(not_reviewed=tuple(sorted(record.left)), reasons=((first.message, first.hint),))
            record.asked += lost
            record.left.clear()
    record.outcome = model_outcome(record, duration_ms=_since_ms(crew, record))
    crew.progress.finished(pipeline.name, record.outcome.status, record.outcome.reason)


def model_outcome(record: PipelineRun, *, duration_ms: int, interrupted: bool = False) -> PipelineOutcome:
    """How a model pipeline went, from what its chunks came to so far."""
    pipeline, asked = record.pipeline, record.asked
    not_reviewed = (*asked.not_reviewed, *sorted(record.left))
    reasons = [reason for reason, _ in asked.reasons]
    if interrupted and record.left:
        reasons.append("interrupted")
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
