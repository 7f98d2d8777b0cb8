"""A review as a trace: one span for the whole, one for each pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from loom.core.result import PipelineOutcome, ReviewResult
from loom.infra.telemetry import Span, export, wanted


def send(result: ReviewResult, *, environ: Mapping[str, str], ended_s: float, offline: bool) -> str | None:
    """Send the trace where the host asked for one; what went wrong, or None. `ended_s`: epoch."""
    if wanted(environ) is None:
        return None
    if offline:
        return "no traces were sent: --offline"
    started_s = ended_s - result.timings_ms.get("total", 0) / 1000
    run_s = ended_s - result.timings_ms.get("run", 0) / 1000
    root = Span("loom review", started_s, ended_s, _of_review(result))
    children = [
        Span(f"pipeline {p.name}", run_s, min(ended_s, run_s + p.duration_ms / 1000), _of_pipeline(p))
        for p in result.pipelines
    ]
    return export(root, children, version=result.tool_version)


def _of_review(result: ReviewResult) -> dict[str, str | int | float | bool]:
    outcome = result.outcome
    return {
        "loom.source": result.change.source,
        "loom.exit_code": outcome.exit_code,
        "loom.complete": outcome.complete,
        "loom.blocking": outcome.blocking,
        "loom.files": len(result.files),
        "loom.findings": len(result.findings),
        "loom.requests": result.usage.requests,
        "loom.cache_hits": result.usage.cache_hits,
        **_cost(result.usage.cost_usd),
    }


def _of_pipeline(outcome: PipelineOutcome) -> dict[str, str | int | float | bool]:
    return {
        "loom.pipeline": outcome.name,
        "loom.kind": outcome.kind,
        "loom.status": outcome.status,
        "loom.requests": outcome.requests,
        "gen_ai.usage.input_tokens": outcome.input_tokens,
        "gen_ai.usage.output_tokens": outcome.output_tokens,
        **({"gen_ai.response.model": outcome.model} if outcome.model else {}),
        **_cost(outcome.cost_usd),
    }


def _cost(usd: float | None) -> dict[str, float]:
    return {} if usd is None else {"loom.cost_usd": usd}
