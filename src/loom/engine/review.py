"""The flow of one review: scope, mask, plan, run, conclude. Effects (models, analyzers, files, time) are handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loom import __version__
from loom.analyzers.base import Analyzer
from loom.config.schema import Config, Pipeline
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, show_path
from loom.core.errors import LoomError, UsageError
from loom.core.finding import Finding, Severity
from loom.core.result import Notice, Outcome, ReviewResult
from loom.core.tokens import SAFETY, estimate
from loom.engine import gate, prompts
from loom.engine.aggregate import compare
from loom.engine.ask import Desk
from loom.engine.budget import Budget
from loom.engine.chunks import Cost
from loom.engine.plan import (
    ATTENTION_TOKENS,
    PROMPT_RESERVE,
    Plan,
    Selection,
    SkippedPipeline,
    choose,
    may_run,
    plan,
    scope,
    sort_files,
    trigger_reason,
)
from loom.engine.questions import Questions
from loom.engine.report import Report, build
from loom.engine.run import Crew, PipelineRun, run_all, stopped
from loom.engine.view import mask_change
from loom.infra.progress import Progress
from loom.infra.secrets import Masker
from loom.llm.base import Model, TokenUsage
from loom.store.cache import Cache

_FOREVER_S = 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to review, and how."""

    change: ChangeSet
    files: Files
    config: Config
    config_hash: str
    selection: Selection = field(default_factory=Selection)
    previous: ReviewResult | None = None
    """The last result on the same change, for new, open and fixed."""
    notices: tuple[Notice, ...] = ()
    allow_incomplete: bool = False
    with_diff: bool = True
    timings_ms: Mapping[str, int] = field(default_factory=dict)
    """What was spent before the review began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a review works with; made by cli.wiring."""

    masker: Masker
    own_masker: Masker
    """Only Loom's own keys, for `privacy.redact: false`."""
    mask: Callable[[str], str]
    analyzer: Callable[[Pipeline], Analyzer]
    models: Callable[[str], Sequence[Model]]
    """A configured model's name -> it and its fallbacks. Raises LoomError (no key, host not allowed)."""
    refuse: Callable[[Pipeline], SkippedPipeline | None]
    """What trust and the configuration keep from running."""
    prompt: Callable[[Pipeline], str | None]
    """The team's own prompt of a pipeline, from the trusted place; None: the built-in one."""
    cache: Cache | None
    progress: Progress
    clock: Callable[[], float]
    """time.monotonic"""
    now_s: Callable[[], float]
    """time.time"""
    tag: str
    """Random; fences untrusted text in prompts."""
    stop: Callable[[], None]
    """Kill every child process; called on an interrupt."""


async def review(job: Job, tools: Tools) -> ReviewResult:
    """Review the change. Raises UsageError or ConfigError before any work; never for a pipeline's failure."""
    started = tools.clock()
    config = job.config
    pipelines = choose(config, job.selection)
    in_scope = scope(config, job.change, job.selection)
    masked = mask_change(job.change, tools.masker, job.files)
    tools = replace(tools, masker=masked.masker, mask=masked.masker.mask)  # it knows what the change holds
    # What people and files see is always masked; only what models see can be switched.
    for_models = masked if config.privacy.redact else mask_change(job.change, tools.own_masker)
    report = Report(job.change, in_scope, masked, job.with_diff)
    files = sort_files(in_scope, job.files)
    if skipped := trigger_reason(config, job.change, in_scope, files, job.selection):
        return _skipped(job, report, skipped, started, tools)
    _check_prompts(tools, pipelines)
    at_work = [p for p in pipelines if may_run(p, job.change, in_scope)]
    models, broken = await _open_models(at_work, tools, config, started)
    try:
        the_plan = plan(
            config=config,
            change=job.change,
            in_scope=in_scope,
            files=files,
            views=for_models.views,
            pipelines=pipelines,
            refuse=lambda p: tools.refuse(p) or broken.get(p.name),
            room=lambda name: _room(models[name][0], config, name),
        )
        _check_cost_limit(config, the_plan, models)
        planned = tools.clock()
        runs, interrupted = await _run(job, tools, the_plan, models, started)
    finally:
        for chain in models.values():
            for model in chain:
                await model.aclose()
    from loom.engine.conclude import Places, conclude  # imported while the models were thinking, see cli.session

    ran = tools.clock()
    places = Places(replace(job.change, files=tuple(in_scope)), job.files, masked.views, tools.masker)
    concluded = conclude(
        ((run.pipeline, run.findings) for run in runs),
        places=places,
        mask=tools.mask,
        keep=lambda f: f.severity.at_least(Severity(config.output.min_severity)) or _blocks(f, config),
    )
    findings, fixed = _against_last(job, concluded.findings, runs, in_scope, the_plan)
    timings = {
        **job.timings_ms,
        "plan": round((planned - started) * 1000),
        "run": round((ran - planned) * 1000),
        "total": sum(job.timings_ms.values()) + round((tools.clock() - started) * 1000),
    }
    return build(
        report,
        plan=the_plan,
        runs=runs,
        config_hash=job.config_hash,
        tool_version=__version__,
        outcome=_outcome(job, findings, runs, the_plan, in_scope, interrupted=interrupted),
        findings=findings,
        fixed=fixed,
        dropped=concluded.dropped,
        notices=(*job.notices, *_trouble(tools)),
        timings_ms=timings,
        mask=tools.mask,
    )


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
            deadline=started + (seconds if seconds is not None else _FOREVER_S),
            clock=tools.clock,
            max_requests=config.budget.max_requests,
            max_cost=config.budget.max_cost,
        ),
        tag=tools.tag,
        mask=tools.mask,
        cache=tools.cache,
        now_s=tools.now_s,
        trust="own" if job.change.ref.trusted else "other",
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


async def _open_models(
    pipelines: Sequence[Pipeline], tools: Tools, config: Config, started: float
) -> tuple[dict[str, Sequence[Model]], dict[str, SkippedPipeline]]:
    """The models that `pipelines`, those that may run, ask for, prepared, and the pipelines whose model cannot be
    made."""
    models: dict[str, Sequence[Model]] = {}
    broken: dict[str, SkippedPipeline] = {}
    for pipeline in pipelines:
        if pipeline.kind != "llm" or tools.refuse(pipeline) is not None or pipeline.model in models:
            continue
        try:
            models[pipeline.model] = tools.models(pipeline.model)
        except LoomError as error:
            broken[pipeline.name] = SkippedPipeline(pipeline, error.message, error.hint, failed=True)
    deadline = started + (config.budget.max_seconds or _FOREVER_S)
    if chains := [chain[0] for chain in models.values()]:
        # What goes wrong here shows again when the model is asked for good, and then costs its pipeline only.
        await asyncio.gather(*(model.prepare(deadline=deadline) for model in chains), return_exceptions=True)
    return models, broken


def _check_prompts(tools: Tools, pipelines: Sequence[Pipeline]) -> None:
    """A prompt that names what does not exist is a mistake of the configuration: told before any work. Raises
    ConfigError."""
    for pipeline in pipelines:
        if pipeline.kind == "llm" and tools.refuse(pipeline) is None:
            prompt = tools.prompt(pipeline)
            if prompt is not None:
                prompts.validate_template(prompt, f"prompt of pipeline {pipeline.name}")


def _room(model: Model, config: Config, name: str) -> tuple[int, Cost]:
    """Tokens of diff that one request to `model` may hold, and how to count them."""
    answer = config.models[name].max_tokens if name in config.models else 8_000
    free = int((model.context_window - answer) / SAFETY) - PROMPT_RESERVE
    family = model.token_family
    return max(500, min(ATTENTION_TOKENS, free)), lambda text: estimate(text, family)


def _check_cost_limit(config: Config, the_plan: Plan, models: Mapping[str, Sequence[Model]]) -> None:
    """A limit that cannot be watched is no limit: refuse it before anything is spent."""
    if config.budget.max_cost is None:
        return
    for work in the_plan.models:
        for model in models[work.model]:
            if model.cost_usd(TokenUsage(input_tokens=1, output_tokens=1)) is None:
                raise UsageError(
                    f"the cost limit cannot be kept: the price of {model.identity} is not known",
                    hint=f"set models.{work.model}.price, or leave out --max-cost and budget.max_cost",
                    slug="unknown-price",
                )


def _blocks(finding: Finding, config: Config) -> bool:
    return gate.reaches_bar(finding, fail_on=config.output.fail_on, fail_on_model=config.output.fail_on_model)


def _outcome(
    job: Job,
    findings: Sequence[Finding],
    runs: Sequence[PipelineRun],
    the_plan: Plan,
    in_scope: Sequence[FileChange],
    *,
    interrupted: bool,
) -> Outcome:
    outcome = gate.outcome(
        blocking=any(_blocks(f, job.config) for f in findings),
        pipelines=[run.outcome for run in runs if run.outcome is not None],
        unread=bool(the_plan.left_out or job.change.unread or any(f.unreadable for f in in_scope)),
        allow_incomplete=job.allow_incomplete,
    )
    return gate.interrupted(outcome) if interrupted else outcome


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
    marked, gone = compare(findings, job.previous.findings)
    before = {f.fingerprint: f for f in job.previous.findings}
    fixed = (fp for fp in gone if set(before[fp].sources) <= whole and before[fp].path not in passed_over)
    return marked, tuple(fixed)


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
