"""What a review would do, without doing it: nothing is sent to a model, no analyzer runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.config.schema import Pipeline
from loom.core.change import ChangeRef
from loom.core.diff import FileChange, Status, show_path
from loom.core.result import Notice, PipelineKind
from loom.engine.ask import has_answer, input_tokens, most_output
from loom.engine.expand import expanded
from loom.engine.job import Job, Tools
from loom.engine.masking import mask_all
from loom.engine.plan import Decision, ModelWork, Plan, Scope, SkippedPipeline, choose, trigger_reason, wants
from loom.engine.prompts import hunk_ids
from loom.engine.questions import Questions
from loom.engine.ready import check_cost_limit, check_prompts, open_models
from loom.engine.survey import Ground, deal_out, survey
from loom.infra.globs import Globs
from loom.llm.base import Model, TokenUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """One file of the change."""

    path: str
    status: Status
    added: int
    deleted: int
    pipelines: tuple[str, ...]
    """Who looks at it."""
    reason: str | None = None
    """Why it is left out, or why models are not asked about it; None for neither."""
    decided_by: str | None = None
    """What of the configuration says so, with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One question to a model."""

    hunks: tuple[str, ...]
    tokens: int
    """Of input, about."""
    cached: bool
    """Whether the answer is known already."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file of the change that is not for a pipeline."""

    path: str
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPipeline:
    """One pipeline."""

    name: str
    kind: PipelineKind
    runs: bool
    required: bool = True
    failed: bool = False
    """Whether it should run and cannot: the review would be incomplete."""
    reason: str | None = None
    hint: str = ""
    decided_by: str | None = None
    model: str | None = None
    command: str | None = None
    files: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    requests: tuple[PlannedRequest, ...] = ()
    input_tokens: int = 0
    """Of the requests that have to be asked."""
    least_usd: float | None = None
    """What their input alone costs; None where no price is known."""
    most_usd: float | None = None
    """The same, with answers as long as they may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A review before anything runs."""

    change: ChangeRef
    skipped: str | None
    """Why the review as a whole would be skipped."""
    files: tuple[PlannedFile, ...]
    pipelines: tuple[PlannedPipeline, ...]
    notices: tuple[Notice, ...]

    @property
    def complete(self) -> bool:
        """Whether the review can be complete, as far as a plan can tell."""
        return not any(p.failed and p.required for p in self.pipelines)


Place = Callable[[str, int | None], str]
"""Where a key of the configuration, or the item of that number in it, is set: `.loom/config.yaml:12`; `default` where
nobody set it."""


async def preview(job: Job, tools: Tools, place: Place) -> Preview:
    """Plan the review. Raises what a review raises before any work."""
    job = expanded(job, tools)
    pipelines = choose(job.config, job.selection)
    ground = survey(job, tools)
    learned = ground.masked.masker  # it knows what the change holds
    tools = replace(tools, masker=learned, mask=learned.mask)
    if skipped := trigger_reason(job.config, job.change, ground.in_scope, ground.files, job.selection):
        nothing = Plan(policy={}, left_out={})
        return mask_all(_Maker(job, tools, ground, nothing, {}, place).preview(skipped), tools.mask)
    check_prompts(tools, pipelines)
    models, broken = await open_models(ground.at_work(job, pipelines), tools, job.config, tools.clock())
    try:
        the_plan = deal_out(job, tools, ground, pipelines, models, broken)
        check_cost_limit(job.config, the_plan, models)
        return mask_all(_Maker(job, tools, ground, the_plan, models, place).preview(None), tools.mask)
    finally:
        for chain in models.values():
            for model in chain:
                await model.aclose()


@dataclass(frozen=True, slots=True)
class _Maker:
    job: Job
    tools: Tools
    ground: Ground
    plan: Plan
    models: Mapping[str, Sequence[Model]]
    place: Place

    def preview(self, skipped: str | None) -> Preview:
        pipelines = () if skipped else tuple(self._pipelines())
        return Preview(
            change=self.job.change.ref,
            skipped=skipped,
            files=tuple(self._file(file, pipelines) for file in self.job.change.files),
            pipelines=pipelines,
            notices=self.job.notices,
        )

    def _decided(self, decision: Decision) -> str:
        where = "" if decision.key.startswith("--") else f" ({self.place(decision.key, decision.index)})"
        return f"{decision.key}{f': {decision.pattern}' if decision.pattern else ''}{where}"

    # ---- files

    def _file(self, file: FileChange, pipelines: Sequence[PlannedPipeline]) -> PlannedFile:
        path = show_path(file.path)
        reason, decision = self._reason(file)
        return PlannedFile(
            path=path,
            status=file.status,
            added=file.added,
            deleted=file.deleted,
            pipelines=tuple(p.name for p in pipelines if p.runs and path in p.files),
            reason=reason,
            decided_by=self._decided(decision) if decision else None,
        )

    def _reason(self, file: FileChange) -> tuple[str | None, Decision | None]:
        if decision := Scope(self.job.config, self.job.selection).by(file.path):
            return "left out", decision
        if file.unreadable is not None:
            return file.unreadable, None
        if (why := self.plan.left_out.get(file.path)) is not None:
            limit = next((key for key in ("max_changes", "max_files") if key in why), None)
            return why, Decision(f"triggers.{limit}") if limit else None
        if (why := self.plan.policy.get(file.path)) is not None:
            return f"{why}: models are not asked about it", None
        return None, None

    # ---- pipelines

    def _pipelines(self) -> Iterator[PlannedPipeline]:
        """Those that run, as they are planned, then those that do not."""
        for analyzer in self.plan.analyzers:
            files = tuple(show_path(file.path) for file in analyzer.change.files)
            yield self._row(analyzer.pipeline, files=files, command=analyzer.pipeline.run)
        for work in self.plan.models:
            yield self._model(work)
        for skip in self.plan.skipped:
            yield self._skipped(skip)
        chosen = {pipeline.name for pipeline in choose(self.job.config, self.job.selection)}
        yield from (self._not_chosen(p) for p in self.job.config.pipelines if p.name not in chosen)

    def _row(
        self,
        pipeline: Pipeline,
        *,
        files: tuple[str, ...] = (),
        command: str | None = None,
        reason: str | None = None,
        hint: str = "",
        failed: bool = False,
        decision: Decision | None = None,
        model: str | None = None,
        requests: tuple[PlannedRequest, ...] = (),
        costs: tuple[int, float | None, float | None] = (0, None, None),
    ) -> PlannedPipeline:
        return PlannedPipeline(
            name=pipeline.name,
            kind=pipeline.kind,
            runs=reason is None,
            required=pipeline.required,
            failed=failed,
            reason=reason,
            hint=hint,
            decided_by=self._decided(decision) if decision else None,
            model=model,
            command=command,
            files=files,
            passed_over=tuple(self._passed_over(pipeline)) if reason is None else (),
            requests=requests,
            input_tokens=costs[0],
            least_usd=costs[1],
            most_usd=costs[2],
        )

    def _passed_over(self, pipeline: Pipeline) -> Iterator[PassedOver]:
        excluded = Globs(pipeline.exclude_paths)
        for file in self.ground.in_scope:
            if wants(pipeline, file.path):
                continue
            out = excluded.match(file.path)
            key = f"pipelines[{pipeline.name}]."
            decision = (
                Decision.of(f"{key}exclude_paths", excluded, file.path) if out else Decision(f"{key}include_paths")
            )
            yield PassedOver(show_path(file.path), self._decided(decision))

    def _skipped(self, skip: SkippedPipeline) -> PlannedPipeline:
        key = skip.reason.partition(":")[0]
        decision = Decision(f"pipelines[{skip.pipeline.name}].{key}") if key.startswith("when.") else None
        return self._row(
            skip.pipeline, reason=skip.reason, hint=skip.hint, failed=skip.failed, decision=decision,
            files=skip.paths,
        )  # fmt: skip

    def _not_chosen(self, pipeline: Pipeline) -> PlannedPipeline:
        selection = self.job.selection
        if pipeline.name in selection.skip:
            return self._row(pipeline, reason="left out", decision=Decision("--skip", pipeline.name))
        if selection.pipelines:
            chosen = " ".join(selection.pipelines)
            return self._row(pipeline, reason="not chosen", decision=Decision("--pipeline", chosen))
        return self._row(pipeline, reason="disabled", decision=Decision(f"pipelines[{pipeline.name}].enabled"))

    def _model(self, work: ModelWork) -> PlannedPipeline:
        config, tools = self.job.config, self.tools
        model = self.models[work.model][0]
        for_models = tools.masker if config.privacy.redact else tools.own_masker
        questions = Questions(config, self.job.change, tools.prompt, for_models.mask)
        requests: list[PlannedRequest] = []
        asked, answers = 0, 0
        for chunk in work.chunks:
            request = questions.request(work.pipeline, chunk)
            size = input_tokens(request, model)
            cached = has_answer(request, model, tools.cache, trust=self.job.trust, now_s=tools.now_s())
            requests.append(PlannedRequest(hunks=tuple(hunk_ids(chunk)), tokens=size, cached=cached))
            asked += 0 if cached else size
            answers += 0 if cached else most_output(request)
        files = dict.fromkeys(show_path(file.path) for chunk in work.chunks for file in chunk)
        configured = config.models.get(work.model)
        obstacles = [one.obstacle for one in self.models[work.model]]
        fatal = obstacles[0] if asked and all(obstacles) else None
        return self._row(
            work.pipeline,
            reason=fatal.message if fatal else None,
            hint=fatal.hint if fatal else "",
            failed=fatal is not None,
            files=tuple(files),
            model=configured.model if configured else work.model,
            requests=tuple(requests),
            costs=(
                asked,
                model.cost_usd(TokenUsage(input_tokens=asked, output_tokens=0)),
                model.cost_usd(TokenUsage(input_tokens=asked, output_tokens=answers)),
            ),
        )
