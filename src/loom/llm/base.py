"""The contract of a model: one request in, one reply out. Wire formats, hosts and quirks stay in the members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from loom.core.errors import ModelError

Finish = Literal["stop", "length", "refusal", "blocked", "context"]
"""stop: a whole answer. length: cut at max_tokens. refusal: the model said no. blocked: a content filter said no.
context: the prompt did not fit. Only `stop` counts as reviewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask. The parts go from most to least stable, so that prompt caches hit."""

    system: str
    """Role, rules, schema in words: the same for every chunk of a pipeline."""
    context: str = ""
    """Repository context; may be empty."""
    prompt: str
    """The change itself."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema of the answer (common denominator: no optional properties, no limits); None for free text."""
    max_tokens: int = 8000
    """Output, reasoning included."""
    temperature: float | None = None
    """None: not sent (several models reject it)."""
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """What one request used."""

    input_tokens: int = 0
    """All input: uncached, cache reads and cache writes."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """Reasoning included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. An HTTP failure is not a Reply but a NoReplyError."""

    text: str
    finish: Finish
    usage: TokenUsage
    model: str
    """The model that the server says answered."""
    detail: str = ""
    """Why it was refused, blocked or cut, in the server's words (untrusted)."""
    requests: int = 1
    """HTTP requests sent for it, retries and degraded tries included."""
    retries: int = 0
    cost_usd: float | None = None
    """Only when the server itself said so (OpenRouter)."""


class NoReplyError(ModelError):
    """No reply after all retries. The engine tries the fallback model, if there is one. Slugs: model-no-key,
    model-auth, model-not-found, model-quota, model-unreachable, model-server, model-bad-request, model-timeout."""

    def __init__(
        self, message: str, *, hint: str = "", slug: str = "model", requests: int = 0, retries: int = 0
    ) -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.requests = requests
        self.retries = retries


OnTokens = Callable[[int], None]
"""Called while streaming with the number of characters received so far."""


class Model(Protocol):
    """A model behind an endpoint. Made by `llm.make`; safe for concurrent use on one event loop."""

    @property
    def identity(self) -> str:
        """provider, host and model, for cache keys and reports; holds no secret."""

    @property
    def context_window(self) -> int:
        """Tokens, input and output together."""

    async def complete(self, request: Request, *, deadline: float, on_tokens: OnTokens | None = None) -> Reply:
        """Ask once, retrying transient failures until `deadline` (time.monotonic seconds). Raises NoReplyError."""

    async def aclose(self) -> None:
        """Close connections; idempotent."""
