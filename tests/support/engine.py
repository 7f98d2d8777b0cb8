"""Run the engine in this process with the models and analyzers a test brings, and nothing else faked."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loom.analyzers.base import Analyzer
from loom.config.schema import Config, Pipeline
from loom.core.change import ChangeSet, Files
from loom.core.result import ReviewResult
from loom.engine.job import Job, Tools
from loom.engine.plan import Selection, SkippedPipeline
from loom.engine.review import review
from loom.infra import progress
from loom.infra.secrets import Masker
from loom.llm.base import Model, Request
from loom.llm.scripted import Line, Scripted
from loom.store.cache import Cache
from loom.store.memory import Suppression

_FILE = re.compile(r"^=== (.+) \((?:added|modified|deleted|renamed|copied|typechange|mode)", re.MULTILINE)


def config(**given: Any) -> Config:
    """A configuration with one LLM pipeline `review` on a scripted model, unless the test says otherwise."""
    usual = {
        "models": {"default": {"provider": "scripted", "model": "replies.json"}},
        "pipelines": [{"name": "review"}],
    }
    return Config.model_validate_json(json.dumps({**usual, **given}))


def answer(findings: Sequence[Mapping[str, Any]] = (), coverage: Sequence[str] | None = None) -> str:
    """An answer as the schema wants it. `coverage` None: the key is left out, which is taken as full."""
    body: dict[str, Any] = {"summary": "", "findings": list(findings)}
    if coverage is not None:
        body["coverage"] = list(coverage)
    return json.dumps(body)


def shown_files(request: Request) -> set[str]:
    """Paths that a request shows."""
    return set(_FILE.findall(request.prompt))


def run_engine(
    change: ChangeSet,
    files: Files,
    *,
    models: Mapping[str, Sequence[Model]] | Model,
    settings: Config | None = None,
    analyzers: Mapping[str, Analyzer] | None = None,
    analyzer: Callable[[Pipeline], Analyzer] | None = None,
    cache: Cache | None = None,
    selection: Selection | None = None,
    previous: ReviewResult | None = None,
    memory: Sequence[Suppression] = (),
    refuse: Callable[[Any], SkippedPipeline | None] = lambda _: None,
    clock: Callable[[], float] | None = None,
    known_secrets: Sequence[str] = (),
    on_start: Callable[[asyncio.Task[Any] | None], None] = lambda _: None,
    stop: Callable[[], None] = lambda: None,
) -> ReviewResult:
    """One review. A single model serves every name. `analyzer` makes one, instead of `analyzers` by name.
    `on_start` gets the task that a test may interrupt; `stop` is what kills child processes then."""
    masker = Masker(known_secrets)
    ticks = itertools.count()
    tools = Tools(
        masker=masker,
        own_masker=Masker(known_secrets, rules=False),
        mask=masker.mask,
        analyzer=analyzer or (lambda p: (analyzers or {})[p.name]),
        models=lambda name: models[name] if isinstance(models, Mapping) else [models],
        refuse=refuse,
        prompt=lambda p: p.prompt,
        cache=cache,
        progress=progress.Silent(),
        clock=clock or (lambda: next(ticks) * 0.001),
        now_s=lambda: 1_000_000.0,
        tag="tag",
        stop=stop,
    )
    job = Job(
        change=change,
        files=files,
        config=settings or config(),
        config_hash="0" * 16,
        selection=selection or Selection(),
        previous=previous,
        memory=tuple(memory),
    )

    async def main() -> ReviewResult:
        on_start(asyncio.current_task())
        return await review(job, tools)

    return asyncio.run(main())


__all__ = ["Line", "Scripted", "answer", "config", "run_engine", "shown_files"]
