"""A review in parts: the units of its plan (an analyzer, or one chunk of a model pipeline) dealt out to jobs by their
content, and what the jobs found put together again. Pure.

A part carries its units raw; they are tied to the change and merged once, when all are there (docs/shards.md).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.config.schema import Config, Pipeline
from loom.core.errors import LoomError, UsageError
from loom.core.finding import RawFinding
from loom.core.result import Notice, PipelineOutcome, PipelineStatus, RawUnit, ReviewResult
from loom.engine.masking import mask_all
from loom.engine.plan import AnalyzerWork, ModelWork, Plan, SkippedPipeline
from loom.engine.run import PipelineRun
from loom.engine.view import FileView

MOST = 256
"""Parts of one review; GitHub runs as many jobs of a matrix at most."""
_SPEC = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_OF_ONE_PART = frozenset({"lines-unknown", "own-ignore", "idle-ignore", "cache", "model-note"})
"""Notices about what this part found, not about the review."""


class MissingPartsError(LoomError):
    """Parts of a review are missing: what is there is no whole review."""

    default_slug = "parts-missing"
    exit_code = 3


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many parts."""

    number: int
    """From 1."""
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`K/N`. Raises UsageError."""
        found = _SPEC.fullmatch(text.strip())
        if found is None or not int(found[1]) <= int(found[2]) <= MOST:
            hint = f"--shard K/N with K from 1 to N, and N at most {MOST}: --shard 1/4"
            raise UsageError(f'--shard: "{text[:40]}" is no part of a review', hint=hint)
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one job does of a plan."""

    shard: Shard
    plan: Plan
    """Every chunk is a work of its own in it."""
    numbers: tuple[tuple[int, int], ...]
    """(which chunk of its pipeline, from 0; of how many), for the analyzers and then the models of `plan`."""
    share: float
    """Of the whole work, 0 to 1: of the budget it gets as much."""


@dataclass(frozen=True, slots=True)
class _Unit:
    work: AnalyzerWork | ModelWork
    number: int
    of: int
    weight: int
    digest: str


def deal(plan: Plan, shard: Shard) -> Part:
    """The part of the plan that this job does. Every job deals alike: the heaviest unit first, each to the part that
    has least so far."""
    units = _units(plan)
    loads = [0] * shard.of
    mine: set[int] = set()
    for index in sorted(range(len(units)), key=lambda i: (-units[i].weight, units[i].digest, i)):
        to = loads.index(min(loads))
        loads[to] += units[index].weight
        if to == shard.number - 1:
            mine.add(index)
    chosen = [unit for index, unit in enumerate(units) if index in mine]
    dealt = replace(
        plan,
        analyzers=tuple(u.work for u in chosen if isinstance(u.work, AnalyzerWork)),
        models=tuple(u.work for u in chosen if isinstance(u.work, ModelWork)),
    )
    share = loads[shard.number - 1] / (sum(loads) or 1)
    return Part(shard, dealt, tuple((unit.number, unit.of) for unit in chosen), share)


def within_share(config: Config, share: float) -> Config:
    """The configuration with as much of the review's budget as the part is of the work."""
    budget = config.budget
    limits = {
        "max_requests": None if budget.max_requests is None else math.ceil(budget.max_requests * share),
        "max_cost": None if budget.max_cost is None else budget.max_cost * share,
    }
    return config.model_copy(update={"budget": budget.model_copy(update=limits)})


def _units(plan: Plan) -> list[_Unit]:
    units = []
    for analyzer in plan.analyzers:
        lines = sum(file.added + file.deleted for file in analyzer.change.files)
        units.append(_Unit(analyzer, 0, 1, 1 + lines // 50, _digest(analyzer.pipeline.name, ())))
    for model in plan.models:
        for number, chunk in enumerate(model.chunks):
            lines = sum(len(hunk.lines) for file in chunk for hunk in file.hunks)
            one = replace(model, chunks=(chunk,))
            units.append(_Unit(one, number, len(model.chunks), 20 + lines, _digest(model.pipeline.name, chunk)))
    return units


def _digest(name: str, chunk: Sequence[FileView]) -> str:
    texts = (text for file in chunk for hunk in file.hunks for text in (hunk.id, *(line.text for line in hunk.lines)))
    raw = "\0".join((name, *texts)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(raw).hexdigest()


# -- what a part carries ----------------------------------------------------------------------------------------------


def raw_units(
    part: Part, runs: Sequence[PipelineRun], *, mask: Callable[[str], str], shown: Callable[[str], str]
) -> tuple[RawUnit, ...]:
    """What the part's units said, masked. `shown(path)`: a path as results carry it."""
    worked = runs[len(part.plan.skipped) :]
    units = []
    for run, (number, of) in zip(worked, part.numbers, strict=True):
        assert run.outcome is not None  # a part is made when everything has ended
        unit = RawUnit(
            pipeline=run.pipeline.name,
            number=number,
            of=of,
            outcome=mask_all(run.outcome, mask),
            findings=tuple(_shown(raw, mask, shown) for raw in run.findings),
            notices=mask_all(tuple(_said(run)), mask),
        )
        units.append(unit)
    return tuple(units)


def _shown(raw: RawFinding, mask: Callable[[str], str], shown: Callable[[str], str]) -> RawFinding:
    return replace(mask_all(raw, mask), path=shown(raw.path))


def _said(run: PipelineRun) -> Iterator[Notice]:
    yield from run.notices
    yield from (Notice("model-note", note, pipeline=run.pipeline.name) for note in run.asked.notes)


def together(runs: Sequence[PipelineRun]) -> list[PipelineRun]:
    """The runs with those of one pipeline as one."""
    by_name: dict[str, list[PipelineRun]] = {}
    for run in runs:
        by_name.setdefault(run.pipeline.name, []).append(run)
    return [several[0] if len(several) == 1 else _one(several) for several in by_name.values()]


def _one(several: Sequence[PipelineRun]) -> PipelineRun:
    outcomes = [run.outcome for run in several if run.outcome is not None]
    return PipelineRun(
        several[0].pipeline,
        findings=[finding for run in several for finding in run.findings],
        notices=list(dict.fromkeys(notice for run in several for notice in _said(run))),
        outcome=add_up(outcomes),
    )


def add_up(outcomes: Sequence[PipelineOutcome]) -> PipelineOutcome:
    """How a pipeline went, from how its chunks went, in their order."""
    states = {outcome.status for outcome in outcomes}
    status: PipelineStatus = "ok" if states <= {"ok"} else "partial" if states & {"ok", "partial"} else "failed"
    models = dict.fromkeys(name for o in outcomes for name in (o.model or "").split(", ") if name)
    # A chunk that no model answered has a price nobody knows, and one that was answered decides (engine.run).
    costs = [o.cost_usd for o in outcomes if o.model or o.cost_usd is not None]
    return replace(
        outcomes[0],
        status=status,
        model=", ".join(models) or None,
        summary=" ".join(dict.fromkeys(o.summary for o in outcomes if o.summary)),
        reason="; ".join(dict.fromkeys(o.reason for o in outcomes if o.reason)) or None,
        hint="; ".join(dict.fromkeys(o.hint for o in outcomes if o.hint)),
        requests=sum(o.requests for o in outcomes),
        retries=sum(o.retries for o in outcomes),
        cache_hits=sum(o.cache_hits for o in outcomes),
        input_tokens=sum(o.input_tokens for o in outcomes),
        cached_tokens=sum(o.cached_tokens for o in outcomes),
        output_tokens=sum(o.output_tokens for o in outcomes),
        cost_usd=sum(c for c in costs if c is not None) if costs and None not in costs else None,
        duration_ms=max(o.duration_ms for o in outcomes),
        not_reviewed=tuple(place for o in outcomes for place in o.not_reviewed),
    )


# -- all parts at once ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of one review, by number."""

    results: tuple[ReviewResult, ...]
    units: Mapping[str, tuple[RawUnit, ...]]
    """Pipeline -> its chunks, in order."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What every part says of the review."""
        first, *others = (result.warnings for result in self.results)
        return tuple(n for n in first if n.slug not in _OF_ONE_PART and all(n in warnings for warnings in others))

    @property
    def idle(self) -> Mapping[str, PipelineOutcome]:
        """Pipelines that did not run, in any part."""
        return {p.name: p for p in self.results[0].pipelines if p.name not in self.units}

    def pipelines(self, config: Config) -> tuple[Pipeline, ...]:
        """The pipelines that the parts tell of: as configured, or as far as they are known where this job's own
        programs and models would have made others."""
        outcomes = {name: units[0].outcome for name, units in self.units.items()} | dict(self.idle)
        known = [p for p in config.pipelines if p.name in outcomes]
        names = {p.name for p in known}
        return (*known, *(_stand_in(outcome) for name, outcome in outcomes.items() if name not in names))

    def refusal(self, pipeline: Pipeline) -> SkippedPipeline | None:
        """Why the pipeline did not run."""
        outcome = self.idle.get(pipeline.name)
        if outcome is None:
            return None
        return SkippedPipeline(pipeline, outcome.reason or "", outcome.hint, failed=outcome.status == "failed")

    def runs(self, plan: Plan) -> list[PipelineRun]:
        """What came of the plan, in its order."""
        idle = [PipelineRun(s.pipeline, outcome=self._idle(s)) for s in plan.skipped]
        worked = [*(work.pipeline for work in plan.analyzers), *(work.pipeline for work in plan.models)]
        return idle + [self._run(pipeline) for pipeline in worked if pipeline.name in self.units]

    def _idle(self, skip: SkippedPipeline) -> PipelineOutcome:
        said = self.idle.get(skip.pipeline.name)
        if said is not None:
            return said
        name, kind = skip.pipeline.name, skip.pipeline.kind
        return PipelineOutcome(name=name, kind=kind, status="skipped", reason=skip.reason)

    def _run(self, pipeline: Pipeline) -> PipelineRun:
        units = self.units[pipeline.name]
        return PipelineRun(
            pipeline,
            findings=[finding for unit in units for finding in unit.findings],
            notices=list(dict.fromkeys(notice for unit in units for notice in unit.notices)),
            outcome=units[0].outcome if len(units) == 1 else add_up([unit.outcome for unit in units]),
        )


def gather(files: Iterable[tuple[str, ReviewResult]]) -> Parts:
    """All parts of one review, from (name of the file, result). Raises UsageError for parts that are there twice or do
    not belong together, MissingPartsError for those that are not there."""
    by_number: dict[int, tuple[str, ReviewResult]] = {}
    total: int | None = None
    for name, result in files:
        shard = Shard.parse(result.shard or "")
        total = shard.of if total is None else total
        if shard.of != total:
            raise UsageError(f"{name} is part {shard}, and others are parts of {total}", hint="publish one review")
        if shard.number in by_number:
            other = by_number[shard.number][0]
            raise UsageError(f"{name} and {other} are both part {shard}", hint="give every part once")
        by_number[shard.number] = (name, result)
    assert total is not None
    _check_alike(list(by_number.values()))
    missing = [f"{number}/{total}" for number in range(1, total + 1) if number not in by_number]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise MissingPartsError(
            f"part {', '.join(missing[:5])}{more} of the review is missing: nothing was posted",
            hint="run the missing parts again (loom review --shard K/N), then publish all of them",
        )
    results = [by_number[number][1] for number in sorted(by_number)]
    return Parts(tuple(results), _by_pipeline(results))


def _check_alike(parts: Sequence[tuple[str, ReviewResult]]) -> None:
    first_name, first = parts[0]
    for name, part in parts[1:]:
        for what, one, other in (
            ("head", part.change.head_sha, first.change.head_sha),
            ("merge base", part.change.merge_base, first.change.merge_base),
            ("configuration", part.config_hash, first.config_hash),
            ("version of Loom", part.tool_version, first.tool_version),
        ):
            if one != other:
                raise UsageError(
                    f"{name} and {first_name} are parts of different reviews: another {what}",
                    hint="run all parts again, with the same flags",
                )


def _by_pipeline(results: Sequence[ReviewResult]) -> dict[str, tuple[RawUnit, ...]]:
    found: dict[str, list[RawUnit]] = {}
    for result in results:
        for unit in result.raw:
            found.setdefault(unit.pipeline, []).append(unit)
    ordered: dict[str, tuple[RawUnit, ...]] = {}
    for name, several in found.items():
        units = sorted(several, key=lambda one: one.number)
        if [unit.number for unit in units] != list(range(units[0].of)) or len({unit.of for unit in units}) > 1:
            raise UsageError(
                f"the parts do not fit together: {name} was not cut alike in all of them",
                hint="run all parts again, with the same flags and models",
            )
        ordered[name] = tuple(units)
    return ordered


def _stand_in(outcome: PipelineOutcome) -> Pipeline:
    """A pipeline of that kind with the usual settings."""
    given = {"llm": {}, "script": {"run": "true"}, "builtin": {"uses": "builtin/rules"}, "linter": {"uses": "linter/x"}}
    made = Pipeline.model_validate({"name": "part", "required": outcome.required, **given[outcome.kind]})
    return made.model_copy(update={"name": outcome.name})
