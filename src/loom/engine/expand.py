"""Pipelines that stand for others: before anything is chosen or planned, these take their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loom.config.schema import Pipeline
from loom.engine.job import Job, Tools
from loom.engine.plan import Selection, scope


def expanded(job: Job, tools: Tools) -> Job:
    """The job with the members of every such pipeline in its place; `--pipeline` and `--skip` may name either."""
    change = replace(job.change, files=scope(job.config, job.change, job.selection))
    asked = frozenset((*job.selection.pipelines, *job.selection.skip))
    members = {p.name: tools.expand(p, change, job.files, asked) for p in job.config.pipelines}
    pipelines = [member for p in job.config.pipelines for member in members[p.name]]
    return replace(
        job,
        config=job.config.model_copy(update={"pipelines": tuple(pipelines)}),
        selection=_selection(job.selection, members),
    )


def _selection(selection: Selection, members: Mapping[str, tuple[Pipeline, ...]]) -> Selection:
    """The same choice, said of the members."""

    def names(said: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for one in said for name in (_names(members[one]) if one in members else (one,)))

    return replace(selection, pipelines=names(selection.pipelines), skip=names(selection.skip))


def _names(members: tuple[Pipeline, ...]) -> tuple[str, ...]:
    return tuple(member.name for member in members)
