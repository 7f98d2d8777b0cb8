"""The figures of the HTML report: where the time went, as bars, and what each pipeline took and found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.core.result import Dropped, PipelineOutcome, ReviewResult
from loom.outputs import summary

SCALE = 1_000
"""The timeline's width in units of its own: bars are drawn by whole numbers."""

_STEPS = {
    "source": "Reading the change",
    "config": "Configuration",
    "plan": "Planning",
    "run": "Running the pipelines",
    "publish": "Publishing",
}
_DROPPED = {
    "invented_quote": "quotes code that is not there",
    "outside_change": "outside the change",
    "filter": "on an unchanged line",
    "below_severity": "below the least severity",
    "below_confidence": "below the least confidence",
    "unverified": "not confirmed",
    "suppressed": "ignored before",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the timeline; `start` and `length` in units of SCALE."""

    name: str
    time: str
    start: int
    length: int
    inner: bool
    """A pipeline, within the step before it."""


def bars(result: ReviewResult) -> tuple[Bar, ...]:
    """The steps of the review one after another, and below `run` the pipelines, which run side by side: when each
    began is not known, so theirs start with the step. Steps that took no time are left out."""
    rows = list(_spans(result))
    whole = max((start + length for _, start, length, _ in rows), default=0) or 1
    return tuple(
        Bar(
            name=name,
            time=summary.duration(length),
            start=min(start * SCALE // whole, SCALE - 4),
            length=max(length * SCALE // whole, 4),  # a bar that cannot be seen would say nothing
            inner=inner,
        )
        for name, start, length, inner in rows
    )


def _spans(result: ReviewResult) -> Iterator[tuple[str, int, int, bool]]:
    """(name, start, length, whether inner), in milliseconds."""
    at = 0
    for key, name in _STEPS.items():
        took = result.timings_ms.get(key, 0)
        if took:
            yield name, at, took, False
        if key == "run":
            yield from ((p.name, at, p.duration_ms, True) for p in result.pipelines if p.duration_ms)
        at += took


@dataclass(frozen=True, slots=True)
class Row:
    """One pipeline in the table; texts that do not apply are empty."""

    pipeline: PipelineOutcome
    found: int
    requests: str
    retries: str
    answers: str
    """From the cache."""
    tokens_in: str
    cached: str
    tokens_out: str
    cost: str
    time: str


def rows(result: ReviewResult) -> tuple[Row, ...]:
    """A row a pipeline."""
    return tuple(_row(p, result) for p in summary.at_work(result))


def _row(p: PipelineOutcome, result: ReviewResult) -> Row:
    asked = p.requests > 0
    return Row(
        pipeline=p,
        found=sum(1 for f in result.findings if p.name in (f.sources or (f.pipeline,))),
        requests=str(p.requests) if asked else "",
        retries=summary.plural(p.retries, "retry") if p.retries else "",
        answers=str(p.cache_hits) if p.cache_hits else "",
        tokens_in=summary.tokens(p.input_tokens) if asked else "",
        cached=f"{summary.tokens(p.cached_tokens)} cached" if p.cached_tokens else "",
        tokens_out=summary.tokens(p.output_tokens) if asked else "",
        cost=("unknown" if p.cost_usd is None else summary.money(p.cost_usd)) if asked else "",
        time=summary.duration(p.duration_ms) if p.duration_ms else "",
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """A finding that is not reported."""

    reason: str
    place: str
    text: str
    pipeline: str


def losses(dropped: Sequence[Dropped]) -> tuple[Loss, ...]:
    """What was dropped, in the result's order."""
    return tuple(_loss(drop) for drop in dropped)


def _loss(drop: Dropped) -> Loss:
    said = drop.finding

    def text(*keys: str) -> str:
        return next((str(said[key]) for key in keys if said.get(key) not in (None, "")), "")

    line = text("line")
    return Loss(
        reason=_DROPPED.get(drop.reason, drop.reason),
        place=f"{text('path')}:{line}" if line else text("path"),
        text=text("title", "message", "quote"),
        pipeline=text("pipeline"),
    )
