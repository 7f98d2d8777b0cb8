"""The flow of one review: scope, mask, plan, run, conclude. Effects (models, analyzers, files, time) are handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loom import __version__
from loom.config.schema import Config, Pipeline
from loom.core.change import ChangeSet
from loom.core.diff import FileChange, show_path
from loom.core.finding import Finding, Severity
from loom.core.result import Notice, Outcome, RawUnit, ReviewResult
from loom.engine import gate
from loom.engine.aggregate import compare
from loom.engine.ask import Desk
from loom.engine.budget import Budget
from loom.engine.expand import expanded
from loom.engine.job import Job, Tools
from loom.engine.plan import Plan, Scope, choose, plan, trigger_reason
from loom.engine.questions import Questions
from loom.engine.ready import FOREVER_S, check_cost_limit, check_prompts, open_models
from loom.engine.report import Report, build
from loom.engine.run import Crew, PipelineRun, run_all, stopped
from loom.engine.shards import Part, Parts, deal, raw_units, together, within_share
from loom.engine.survey import Ground, deal_out, survey
from loom.llm.base import Model

if TYPE_CHECKING:
    from loom.engine.conclude import Places
    from loom.engine.suppress import Suppressed


@dataclass(frozen=True, slots=True)
class _Work:
    """What was planned and what came of it."""

    plan: Plan
    runs: Sequence[PipelineRun]
    interrupted: bool
    planned_s: float
    """When planning was done, on the tools' clock."""
    ran_s: float
    part: Part | None = None
    """Where this is a part of a review."""


async def review(job: Job, tools: Tools) -> ReviewResult:
    """Review the change. Raises UsageError or ConfigError before any work; never for a pipeline's failure."""
    started = tools.clock()
    job = expanded(job, tools)
    pipelines = choose(job.config, job.selection)
    ground = survey(job, tools)
    learned = ground.masked.masker  # it knows what the change holds
    tools = replace(tools, masker=learned, mask=learned.mask)
    report = Report(job.change, ground.masked, job.with_diff, Scope(job.config, job.selection).by)
    if skipped := trigger_reason(job.config, job.change, ground.in_scope, ground.files, job.selection):
        return _skipped(job, report, skipped, started, tools)
    check_prompts(tools, pipelines)
    work = await _plan_and_run(job, tools, ground, pipelines, started)
    return _conclude(job, tools, ground, report, work, started)


def put_together(job: Job, tools: Tools, parts: Parts) -> ReviewResult:
    """The whole review, from what its parts found: tied to the change and merged as if one job had found it all.
    Nothing is sent and nothing runs."""
    started = tools.clock()
    config = job.config.model_copy(update={"pipelines": parts.pipelines(expanded(job, tools).config)})
    job = replace(job, config=config, notices=parts.notices)
    ground = survey(job, tools)
    tools = replace(tools, masker=ground.masked.masker, mask=ground.masked.masker.mask)
    report = Report(job.change, ground.masked, job.with_diff, Scope(job.config, job.selection).by)
    if skipped := trigger_reason(job.config, job.change, ground.in_scope, ground.files, job.selection):
        return _skipped(job, report, skipped, started, tools)
    the_plan = plan(
        config=job.config,
        change=job.change,
        in_scope=ground.in_scope,
        files=ground.files,
        views=ground.for_models.views,
        pipelines=job.config.pipelines,
        refuse=parts.refusal,
        room=lambda _: (10**12, lambda _: 0),  # which files, not which chunks
        looks_at=tools.looks_at,
    )
    planned = tools.clock()
    work = _Work(the_plan, parts.runs(the_plan), interrupted=False, planned_s=planned, ran_s=planned)
    result = _conclude(job, tools, ground, report, work, started)
    slowest = max(part.timings_ms.get("run", 0) for part in parts.results)
    return replace(result, timings_ms={**result.timings_ms, "run": slowest})


async def _plan_and_run(job: Job, tools: Tools, ground: Ground, pipelines: Sequence[Pipeline], started: float) -> _Work:
    """Plan and run."""
    models, broken = await open_models(ground.at_work(job, pipelines), tools, job.config, started)
    try:
        the_plan = deal_out(job, tools, ground, pipelines, models, broken)
        check_cost_limit(job.config, the_plan, models)
        part = deal(the_plan, job.shard) if job.shard is not None else None
        if part is not None:
            the_plan, job = part.plan, replace(job, config=within_share(job.config, part.share))
        planned = tools.clock()
        runs, interrupted = await _run(job, tools, the_plan, models, started)
    finally:
        for chain in models.values():
            for model in chain:
                await model.aclose()
    return _Work(the_plan, runs, interrupted, planned, tools.clock(), part)


def _conclude(job: Job, tools: Tools, ground: Ground, report: Report, work: _Work, started: float) -> ReviewResult:
    """From what was said to the result."""
    from loom.engine.conclude import Places, conclude  # imported while the models were thinking, see cli.session

    config = job.config
    about = replace(job.change, files=tuple(ground.in_scope))
    scope = Scope(config, job.selection)
    places = Places(about, job.files, ground.masked.views, tools.masker)
    raw: tuple[RawUnit, ...] = ()
    if work.part is not None:
        raw = raw_units(work.part, work.runs, mask=tools.mask, shown=lambda path: _shown(path, places, tools))
        work = replace(work, runs=together(work.runs))
    concluded = conclude(
        ((run.pipeline, run.findings) for run in work.runs),
        places=places,
        mask=tools.mask,
        left_out=lambda path: scope.by(path) is not None,
        keep=lambda f: f.severity.at_least(Severity(config.output.min_severity)) or _blocks(f, config),
    )
    marked, fixed = _against_last(job, concluded.findings, work.runs, ground.in_scope, work.plan)
    quiet = _suppressed(job, tools, marked, places, about)
    timings = {
        **job.timings_ms,
        "plan": round((work.planned_s - started) * 1000),
        "run": round((work.ran_s - work.planned_s) * 1000),
        "total": sum(job.timings_ms.values()) + round((tools.clock() - started) * 1000),
    }
    result = build(
        report,
        plan=work.plan,
        runs=work.runs,
        config_hash=job.config_hash,
        tool_version=__version__,
        outcome=_outcome(job, quiet.findings, work, ground.in_scope),
        findings=quiet.findings,
        fixed=fixed,
        dropped=(*concluded.dropped, *quiet.dropped),
        notices=(*job.notices, *concluded.notices, *quiet.notices, *_trouble(tools)),
        timings_ms=timings,
        mask=tools.mask,
    )
    return result if work.part is None else replace(result, shard=str(work.part.shard), raw=raw)


def _shown(path: str, places: Places, tools: Tools) -> str:
    """A path as results carry it, by which the file is found again when the parts are put together."""
    file = places.find(path)
    return places.shown(file) if file is not None else tools.mask(show_path(path))


async def _run(
    job: Job, tools: Tools, the_plan: Plan, models: Mapping[str, Sequence[Model]], started: float
) -> tuple[list[PipelineRun], bool]:
    """Run the plan; on an interrupt, what is there so far."""
    config = job.config
    seconds = config.budget.max_seconds
    for_models = tools.masker if config.privacy.redact else tools.own_masker
    questions = Questions(config, job.change, tools.prompt, for_models.mask)
    desk = Desk(
        budget=Budget(
            deadline=started + (seconds if seconds is not None else FOREVER_S),
            clock=tools.clock,
            max_requests=config.budget.max_requests,
            max_cost=config.budget.max_cost,
        ),
        tag=tools.tag,
        mask=tools.mask,
        cache=tools.cache,
        now_s=tools.now_s,
        trust=job.trust,
    )
    crew = Crew(
        desk=desk,
        files=job.files,
        analyzer=tools.analyzer,
        models=models,
        request=questions.request,
        progress=tools.progress,
        clock=tools.clock,
        stop=tools.stop,
        parallel=config.advanced.parallel_pipelines,
    )
    runs: list[PipelineRun] = []
    try:
        await run_all(the_plan, crew, runs)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()  # the interrupt is answered here: with a partial result instead of none
        tools.stop()
        for unfinished in (r for r in runs if r.outcome is None):
            spent = round((tools.clock() - unfinished.started_s) * 1000) if unfinished.started_s else 0
            unfinished.outcome = stopped(unfinished, duration_ms=spent)
        return runs, True
    return runs, False


def _blocks(finding: Finding, config: Config) -> bool:
    return gate.reaches_bar(finding, fail_on=config.output.fail_on, fail_on_model=config.output.fail_on_model)


def _outcome(job: Job, findings: Sequence[Finding], work: _Work, in_scope: Sequence[FileChange]) -> Outcome:
    outcome = gate.outcome(
        # A part never blocks: what its findings come to is known when all parts are there.
        blocking=work.part is None and any(_blocks(f, job.config) for f in findings),
        pipelines=[run.outcome for run in work.runs if run.outcome is not None],
        unread=bool(work.plan.left_out or job.change.unread or any(f.unreadable for f in in_scope)),
        allow_incomplete=job.allow_incomplete,
    )
    return gate.interrupted(outcome) if work.interrupted else outcome


def _against_last(
    job: Job,
    findings: tuple[Finding, ...],
    runs: Sequence[PipelineRun],
    in_scope: Sequence[FileChange],
    the_plan: Plan,
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """New, open and fixed. Fixed is only what pipelines had reported that looked at the whole file again this time, or
    what was in a file that is no longer changed."""
    if job.previous is None:
        return findings, ()
    whole = {run.pipeline.name for run in runs if run.outcome is not None and run.outcome.status == "ok"}
    looked_at = {f.path for f in in_scope if f.unreadable is None and f.path not in the_plan.left_out}
    passed_over = {show_path(f.path) for f in job.change.files if f.path not in looked_at}
    from loom.engine.suppress import silenced_before

    before = {f.fingerprint: f for f in job.previous.findings}
    silenced = [f for f in silenced_before(job.previous.dropped) if f.fingerprint not in before]
    marked, gone = compare(findings, (*job.previous.findings, *silenced))
    there = (before[fp] for fp in gone if fp in before)
    fixed = (f.fingerprint for f in there if set(f.sources) <= whole and f.path not in passed_over)
    return marked, tuple(fixed)


def _suppressed(job: Job, tools: Tools, findings: tuple[Finding, ...], places: Places, about: ChangeSet) -> Suppressed:
    """What of the findings is to be told. Only now: what was ignored before is ignored by the name it had then."""
    from loom.engine.inline_ignores import InlineIgnores
    from loom.engine.suppress import suppress

    ignores = InlineIgnores(places)
    return suppress(
        findings,
        marks=ignores.about,
        own=ignores.own(about.files),
        memory=job.memory,
        today=datetime.fromtimestamp(tools.now_s(), UTC).date(),
    )


def _skipped(job: Job, report: Report, reason: str, started: float, tools: Tools) -> ReviewResult:
    return build(
        report,
        plan=Plan(policy={}, left_out={}),
        runs=(),
        config_hash=job.config_hash,
        tool_version=__version__,
        outcome=gate.outcome(blocking=False, pipelines=(), unread=False, skipped=reason),
        findings=(),
        fixed=(),
        dropped=(),
        notices=job.notices,
        timings_ms={**job.timings_ms, "total": round((tools.clock() - started) * 1000)},
        mask=tools.mask,
    )


def _trouble(tools: Tools) -> tuple[Notice, ...]:
    if tools.cache is None or tools.cache.trouble is None:
        return ()
    return (Notice("cache", tools.cache.trouble, hint="set LOOM_CACHE_DIR to a writable folder, or use --no-cache"),)
