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
    max_tokens: int | None = None
    """Output, reasoning included. None: as the model's settings say; never more than they say."""
    temperature: float | None = None
    """None: as the model's settings say, which is not to send it by default (several models reject it)."""
    reasoning_effort: str | None = None
    """None: as the model's settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """What one request used."""

    input_tokens: int = 0
    """All input: uncached, cache reads and cache writes."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """Reasoning included."""
    reasoning_tokens: int = 0
    """The part of the output that was thinking, where the server says."""
    estimated: bool = False
    """The server reported nothing; the figures are our estimate."""


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
    model-auth, model-not-found, model-quota (no allowance left: waiting does not help), model-rate-limit (it would, but
    not before the deadline), model-unreachable, model-server, model-bad-request, model-timeout, model-script (a
    scripted model has no answer for the prompt)."""

    def __init__(
        self, message: str, *, hint: str = "", slug: str = "model", requests: int = 0, retries: int = 0
    ) -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.requests = requests
        self.retries = retries


OnTokens = Callable[[int], None]
"""Called while streaming with the number of characters received so far."""


class Price(Protocol):
    """What a model costs, in USD per million tokens, as a team wrote it down."""

    @property
    def input(self) -> float:
        """Input that was not cached."""

    @property
    def output(self) -> float:
        """Output, reasoning included."""

    @property
    def cached_input(self) -> float | None:
        """Input read from the cache; None: as `input`."""


class Settings(Protocol):
    """A model as configured: the keys of `models.NAME` in config.yaml. None: the endpoint's own default."""

    @property
    def provider(self) -> str: ...  # noqa: D102 - the keys are documented where they are configured

    @property
    def base_url(self) -> str | None: ...  # noqa: D102

    @property
    def model(self) -> str: ...  # noqa: D102

    @property
    def api_key_env(self) -> str | None: ...  # noqa: D102

    @property
    def temperature(self) -> float | None: ...  # noqa: D102

    @property
    def max_tokens(self) -> int: ...  # noqa: D102

    @property
    def timeout(self) -> float | None: ...  # noqa: D102

    @property
    def context_window(self) -> int | None: ...  # noqa: D102

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def requests_per_minute(self) -> int | None: ...  # noqa: D102

    @property
    def tokens_per_minute(self) -> int | None: ...  # noqa: D102

    @property
    def max_concurrency(self) -> int | None: ...  # noqa: D102

    @property
    def price(self) -> Price | None: ...  # noqa: D102

    @property
    def reasoning_effort(self) -> str | None: ...  # noqa: D102


class Model(Protocol):
    """A model behind an endpoint. Made by `llm.make`; safe for concurrent use on one event loop."""

    @property
    def identity(self) -> str:
        """provider, host and model (and the sampling settings, where set), for cache keys and reports; no secret."""

    @property
    def context_window(self) -> int:
        """Tokens, input and output together. May grow more exact after `prepare`."""

    @property
    def max_concurrency(self) -> int:
        """How many requests may be under way at once; more wait inside `complete`."""

    @property
    def token_family(self) -> str:
        """The family for `core.tokens.estimate`."""

    @property
    def obstacle(self) -> NoReplyError | None:
        """What every `complete` would raise, where that is known without asking: there is no key."""

    async def prepare(self, *, deadline: float) -> None:
        """Ask the server what only it knows (the context window of a self-hosted model). Never raises for a server
        that does not answer; idempotent. Worth calling before planning, while git works."""

    async def complete(self, request: Request, *, deadline: float, on_tokens: OnTokens | None = None) -> Reply:
        """Ask once, retrying transient failures until `deadline` (time.monotonic seconds). Raises NoReplyError."""

    def cost_usd(self, usage: TokenUsage) -> float | None:
        """What `usage` costs; None when the price is not known, 0.0 only when it is free (loopback)."""

    async def aclose(self) -> None:
        """Close connections; idempotent."""
