"""The `models` and `budget` parts of the configuration: where a model is, how to talk to it, what it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from loom.config import hosts
from loom.config.types import (
    BaseUrl,
    Count,
    HeaderName,
    HeaderValue,
    KeyVariable,
    ModelName,
    Money,
    Positive,
    Seconds,
    Strict,
    Text,
)

Provider = Literal["openai-compatible", "anthropic", "google", "ollama", "scripted"]
Effort = Literal["low", "medium", "high"]

LOCAL_TIMEOUT_S = 600.0
LOCAL_CONCURRENCY = 2


class Price(Strict):
    """What a model costs."""

    input: Money = Field(description="USD per million input tokens.")
    output: Money = Field(description="USD per million output tokens, reasoning included.")
    cached_input: Money | None = Field(
        default=None, description="USD per million input tokens read from the provider's prompt cache; null: as input."
    )


class ModelConfig(Strict):
    """One model. A server on loopback waits longer and is asked less at once, unless the file says otherwise."""

    provider: Provider = Field(
        default="openai-compatible",
        description="The wire format. Azure, Groq, OpenRouter, vLLM and the like are hosts of `openai-compatible`.",
    )
    base_url: BaseUrl | None = Field(
        default=None,
        description="The server's address; null: the provider's own. A host that is not built in must be allowed by "
        "LOOM_ALLOW_HOSTS (locally also by `loom trust`).",
    )
    model: Text = Field(description="The model's name, as the server calls it.")
    api_key_env: KeyVariable | None = Field(
        default=None,
        description="The name of the environment variable that holds the key; null: the host's usual one, or none. "
        "A key itself in the file is an error that never prints it.",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Null: not sent, since several models reject it."
    )
    max_tokens: Positive = Field(default=8000, description="Output tokens per request, reasoning included.")
    timeout: Seconds = Field(
        default=120, description="Seconds without a byte (answers stream). 600 for a server on loopback."
    )
    context_window: Positive | None = Field(
        default=None,
        description="Tokens, input and output together; null: looked up, or asked of the server, else 32k.",
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="Extra HTTP headers. A credential comes from a variable that LOOM_CONFIG_VARS names.",
    )
    requests_per_minute: Positive | None = Field(
        default=None, description="Token bucket, besides what the provider's headers say; null: none."
    )
    tokens_per_minute: Positive | None = Field(default=None, description="The same for tokens; null: none.")
    max_concurrency: Positive = Field(default=8, description="Requests in flight at once. 2 for a server on loopback.")
    fallback: ModelName | None = Field(
        default=None, description="Another model's name, asked when this one gives no reply."
    )
    price: Price | None = Field(
        default=None, description="USD per million tokens; null: the built-in table. An unknown price is never 0."
    )
    reasoning_effort: Effort | None = Field(default=None, description="Null: the model's own default.")

    @property
    def is_local(self) -> bool:
        """Whether it is served on this machine."""
        return _is_local(self.provider, self.base_url)

    @model_validator(mode="before")
    @classmethod
    def _local_defaults(cls, raw: Any) -> Any:  # what YAML gave; the fields are not checked yet
        if not isinstance(raw, Mapping) or not _is_local(raw.get("provider"), raw.get("base_url")):
            return raw
        return {"timeout": LOCAL_TIMEOUT_S, "max_concurrency": LOCAL_CONCURRENCY, **raw}


def _is_local(provider: object, base_url: object) -> bool:
    if base_url is None:
        return provider == "ollama"
    try:
        return isinstance(base_url, str) and hosts.parse(base_url).reach == "loopback"
    except ValueError:
        return False  # the field's own check reports it


class Budget(Strict):
    """What one review may use. When it is reached the review stops, keeps what is there and counts as incomplete."""

    max_cost: Money | None = Field(
        default=None, description="USD; null: no limit. With a model of unknown price this is an error."
    )
    max_requests: Count | None = Field(default=None, description="Requests to models; null: no limit.")
    max_seconds: Seconds | None = Field(default=600, description="Wall time; null: no limit.")
