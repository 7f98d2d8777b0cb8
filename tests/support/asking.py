"""Ask a model the way the engine does, with time and chance under control."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from loom.infra.net import Network, Rules, Settings
from loom.infra.retry import Policy
from loom.llm import make
from loom.llm.base import Model, OnTokens, Reply, Request

T = TypeVar("T")

PROVIDERS = {"openai": "openai-compatible", "anthropic": "anthropic", "google": "google", "ollama": "ollama"}
"""Wire format of the fake server -> provider of the configuration."""

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "findings"],
    "properties": {"summary": {"type": "string"}, "findings": {"type": "array", "items": {"type": "string"}}},
}

REQUEST = Request(system="You review code.", context="Conventions: none.", prompt="+ x = 1", schema=SCHEMA)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What config.yaml says about a model."""

    provider: str = "openai-compatible"
    base_url: str | None = None
    model: str = "m"
    api_key_env: str | None = None
    temperature: float | None = None
    max_tokens: int = 8000
    timeout: float | None = 10.0
    context_window: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrency: int | None = None
    price: None = None
    reasoning_effort: str | None = None


class Slept:
    """A sleep that only takes note, and a clock that moves with it."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)

    def clock(self) -> float:
        return time.monotonic() + sum(self.delays)


def network(slept: Slept | None = None, *, retries: int = 3, rules: Rules | None = None, **more: object) -> Network:
    """A network that retries without waiting; chance always takes the longest wait."""
    slept = slept or Slept()
    policy = Policy(retries=retries, sleep=slept, clock=slept.clock, uniform=lambda _, most: most)
    return Network(Settings(policy=policy, rules=rules or Rules(), **more))  # type: ignore[arg-type]


def settings_for(server: object, protocol: str, **more: object) -> ModelSettings:
    """Settings for a fake server in one of its protocols."""
    return ModelSettings(provider=PROVIDERS[protocol], base_url=server.url(protocol), **more)  # type: ignore


def with_model(
    settings: ModelSettings,
    do: Callable[[Model], Awaitable[T]],
    *,
    net: Network | None = None,
    environ: Mapping[str, str] | None = None,
) -> T:
    """Make the model, do something with it on a loop of its own, close everything."""
    net = net or network()

    async def run() -> T:
        try:
            return await do(make("default", settings, environ=environ or {}, network=net, read=lambda _: None))
        finally:
            await net.aclose()

    return asyncio.run(run())


def ask(
    settings: ModelSettings,
    request: Request = REQUEST,
    *,
    net: Network | None = None,
    environ: Mapping[str, str] | None = None,
    within_s: float = 30.0,
    on_tokens: OnTokens | None = None,
) -> Reply:
    """One request, one reply. Raises NoReplyError."""
    net = net or network()
    deadline = net.policy.clock() + within_s
    return with_model(
        settings, lambda m: m.complete(request, deadline=deadline, on_tokens=on_tokens), net=net, environ=environ
    )
