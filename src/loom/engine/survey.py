"""The ground of a review: which files it is about, what of them may be shown to whom, and who gets what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loom.config.schema import Pipeline
from loom.core.diff import FileChange
from loom.engine.job import Job, Tools
from loom.engine.plan import Plan, SkippedPipeline, Sorted, may_run, plan, scope, sort_files
from loom.engine.ready import room
from loom.engine.view import MaskedChange, mask_change
from loom.llm.base import Model


@dataclass(frozen=True, slots=True)
class Ground:
    """The change as this review sees it."""

    in_scope: Sequence[FileChange]
    files: Sorted
    masked: MaskedChange
    """What people and files see: always masked."""
    for_models: MaskedChange
    """What models see: masked, unless privacy.redact is off."""

    def at_work(self, job: Job, pipelines: Sequence[Pipeline]) -> list[Pipeline]:
        """Those of the pipelines for which the change can hold work."""
        return [p for p in pipelines if may_run(p, job.change, self.in_scope)]


def survey(job: Job, tools: Tools) -> Ground:
    """Look at every file once."""
    in_scope = scope(job.config, job.change, job.selection)
    masked = mask_change(job.change, tools.masker, job.files)
    redact = job.config.privacy.redact
    for_models = masked if redact else mask_change(job.change, tools.own_masker)
    return Ground(in_scope, sort_files(in_scope, job.files), masked, for_models)


def deal_out(
    job: Job,
    tools: Tools,
    ground: Ground,
    pipelines: Sequence[Pipeline],
    models: Mapping[str, Sequence[Model]],
    broken: Mapping[str, SkippedPipeline],
) -> Plan:
    """The plan. `models` and `broken` are what `ready.open_models` came to."""
    return plan(
        config=job.config,
        change=job.change,
        in_scope=ground.in_scope,
        files=ground.files,
        views=ground.for_models.views,
        pipelines=pipelines,
        refuse=lambda p: tools.refuse(p) or broken.get(p.name),
        room=lambda name: room(models[name][0], job.config, name),
        looks_at=tools.looks_at,
    )
