"""Before anything is asked: models made and prepared, prompts checked, and how much one request may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from loom.config.schema import Config, Pipeline
from loom.core.errors import LoomError, UsageError
from loom.core.tokens import SAFETY, estimate
from loom.engine import prompts
from loom.engine.chunks import Cost
from loom.engine.job import Tools
from loom.engine.plan import ATTENTION_TOKENS, PROMPT_RESERVE, Plan, SkippedPipeline
from loom.llm.base import Model, TokenUsage

FOREVER_S = 365 * 86_400.0
"""The time budget of a review without one."""


async def open_models(
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
    deadline = started + (config.budget.max_seconds or FOREVER_S)
    if chains := [chain[0] for chain in models.values()]:
        # What goes wrong here shows again when the model is asked for good, and then costs its pipeline only.
        await asyncio.gather(*(model.prepare(deadline=deadline) for model in chains), return_exceptions=True)
    return models, broken


def check_prompts(tools: Tools, pipelines: Sequence[Pipeline]) -> None:
    """A prompt that names what does not exist is a mistake of the configuration: told before any work. Raises
    ConfigError."""
    for pipeline in pipelines:
        if pipeline.kind == "llm" and tools.refuse(pipeline) is None:
            prompt = tools.prompt(pipeline)
            if prompt is not None:
                prompts.validate_template(prompt, f"prompt of pipeline {pipeline.name}")


def room(model: Model, config: Config, name: str) -> tuple[int, Cost]:
    """Tokens of diff that one request to `model` may hold, and how to count them."""
    answer = config.models[name].max_tokens if name in config.models else 8_000
    free = int((model.context_window - answer) / SAFETY) - PROMPT_RESERVE
    family = model.token_family
    return max(500, min(ATTENTION_TOKENS, free)), lambda text: estimate(text, family)


def check_cost_limit(config: Config, the_plan: Plan, models: Mapping[str, Sequence[Model]]) -> None:
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
