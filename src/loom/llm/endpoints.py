"""Hosts as data: where they are, how they want the key, what they do differently. A new host is a row here, no code.

Sources: the vendors' API references and SDKs as of November 2026; a row's comment names what forced it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loom.infra.net import LOOPBACK_NAMES, NetError, Origin, origin_of

SchemaMode = Literal["json_schema", "json_object", "prompt"]
"""How an answer is held to the schema: by the server, to be some JSON by the server, or by asking nicely."""

MaxField = Literal["max_completion_tokens", "max_tokens"]

Provider = Literal["openai-compatible", "anthropic", "google", "ollama", "scripted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One host, or one kind of server on loopback."""

    name: str
    """What prices and reports call it."""
    provider: Provider
    host: str = ""
    """Exact, or a suffix when it starts with a dot. Empty: any host."""
    port: int | None = None
    """On loopback, the port that tells the server."""
    base_url: str | None = None
    """Used when the configuration gives none."""
    key_env: tuple[str, ...] = ()
    """Variables that may hold the key, first set wins. Only ever sent to this host."""
    needs_key: bool = False
    key_header: str = "authorization"
    """`authorization` sends "Bearer KEY", any other header the key itself."""
    schema: SchemaMode = "json_schema"
    max_field: MaxField = "max_tokens"
    refused: frozenset[str] = frozenset()
    """Fields that are never sent there."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Sent with every request that holds the answer to a schema."""
    window: int | None = None
    """Context window in tokens when neither the configuration, the price table nor the server says."""


_OPENAI_ONLY = frozenset({"prompt_cache_key"})

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="openai",
        provider="openai-compatible",
        host="api.openai.com",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        needs_key=True,
        max_field="max_completion_tokens",  # o-series: "Unsupported parameter: 'max_tokens' is not supported"
        window=128_000,
    ),
    Endpoint(
        name="azure",
        provider="openai-compatible",
        host=".openai.azure.com",
        key_env=("AZURE_OPENAI_API_KEY",),
        needs_key=True,
        key_header="api-key",
        max_field="max_completion_tokens",
        window=128_000,
    ),
    Endpoint(
        name="azure",
        provider="openai-compatible",
        host=".services.ai.azure.com",
        key_env=("AZURE_OPENAI_API_KEY",),
        needs_key=True,
        key_header="api-key",
        max_field="max_completion_tokens",
        window=128_000,
    ),
    Endpoint(
        name="anthropic",
        provider="anthropic",
        host="api.anthropic.com",
        base_url="https://api.anthropic.com",
        key_env=("ANTHROPIC_API_KEY",),
        needs_key=True,
        key_header="x-api-key",
        window=200_000,
    ),
    Endpoint(
        name="google",
        provider="google",
        host="generativelanguage.googleapis.com",
        base_url="https://generativelanguage.googleapis.com",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        needs_key=True,
        key_header="x-goog-api-key",
        window=1_000_000,
    ),
    Endpoint(
        name="google",  # the OpenAI-compatible surface, at /v1beta/openai
        provider="openai-compatible",
        host="generativelanguage.googleapis.com",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        needs_key=True,
        refused=_OPENAI_ONLY,
        window=1_000_000,
    ),
    Endpoint(
        name="groq",
        provider="openai-compatible",
        host="api.groq.com",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        needs_key=True,
        max_field="max_completion_tokens",
        refused=_OPENAI_ONLY,
        window=131_072,
    ),
    Endpoint(
        name="openrouter",
        provider="openai-compatible",
        host="openrouter.ai",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        needs_key=True,
        refused=_OPENAI_ONLY,
        extra={"provider": {"require_parameters": True}},  # else it may route to a host that ignores the schema
        window=128_000,
    ),
    Endpoint(
        name="deepseek",
        provider="openai-compatible",
        host="api.deepseek.com",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        needs_key=True,
        schema="json_object",  # 400 "This response_format type is unavailable now"
        max_field="max_tokens",  # max_completion_tokens is silently ignored: no limit at all
        refused=_OPENAI_ONLY,
        window=128_000,
    ),
    Endpoint(
        name="mistral",
        provider="openai-compatible",
        host="api.mistral.ai",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        needs_key=True,
        refused=_OPENAI_ONLY
        | {"stream_options", "reasoning_effort"},  # 422 on fields it does not know; sends usage anyway
        window=128_000,
    ),
    Endpoint(
        name="together",
        provider="openai-compatible",
        host="api.together.xyz",
        base_url="https://api.together.xyz/v1",
        key_env=("TOGETHER_API_KEY",),
        needs_key=True,
        refused=_OPENAI_ONLY,
    ),
    Endpoint(
        name="fireworks",
        provider="openai-compatible",
        host="api.fireworks.ai",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        needs_key=True,
        refused=_OPENAI_ONLY,
    ),
    Endpoint(
        name="xai",
        provider="openai-compatible",
        host="api.x.ai",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        needs_key=True,
        refused=_OPENAI_ONLY,
        window=131_072,
    ),
    Endpoint(
        name="cerebras",
        provider="openai-compatible",
        host="api.cerebras.ai",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        needs_key=True,
        max_field="max_completion_tokens",
        refused=_OPENAI_ONLY,
    ),
    Endpoint(
        name="moonshot",
        provider="openai-compatible",
        host="api.moonshot.ai",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        needs_key=True,
        schema="json_object",
        refused=_OPENAI_ONLY,
        window=131_072,
    ),
    Endpoint(
        name="huggingface",
        provider="openai-compatible",
        host="router.huggingface.co",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
        needs_key=True,
        refused=_OPENAI_ONLY,
    ),
    # Before Ollama's cloud: the first row of a provider is its default, and that must be this machine.
    Endpoint(name="ollama", provider="ollama", port=11434, base_url="http://127.0.0.1:11434"),
    Endpoint(
        name="ollama-cloud",
        provider="openai-compatible",
        host="ollama.com",
        base_url="https://ollama.com/v1",
        key_env=("OLLAMA_API_KEY",),
        needs_key=True,
        schema="prompt",  # accepted and not enforced: ollama/ollama#12362
        refused=_OPENAI_ONLY,
    ),
    Endpoint(
        name="ollama-cloud",
        provider="ollama",
        host="ollama.com",
        base_url="https://ollama.com",
        key_env=("OLLAMA_API_KEY",),
        needs_key=True,
        schema="prompt",
    ),
    Endpoint(name="ollama", provider="openai-compatible", port=11434, refused=_OPENAI_ONLY),
    # LM Studio answers json_object with 400 "'response_format.type' must be 'json_schema' or 'text'".
    Endpoint(name="lm-studio", provider="openai-compatible", port=1234, refused=_OPENAI_ONLY),
    Endpoint(name="llama.cpp", provider="openai-compatible", port=8080, refused=_OPENAI_ONLY),
    Endpoint(name="vllm", provider="openai-compatible", port=8000, refused=_OPENAI_ONLY),
    Endpoint(name="litellm", provider="openai-compatible", port=4000, refused=_OPENAI_ONLY),
    # Last: any other host that speaks the protocol. max_tokens is what all of them know.
    Endpoint(name="openai-compatible", provider="openai-compatible", refused=_OPENAI_ONLY),
    Endpoint(name="anthropic-compatible", provider="anthropic", key_header="x-api-key"),
    Endpoint(name="google-compatible", provider="google", key_header="x-goog-api-key"),
    Endpoint(name="ollama", provider="ollama"),
)

RETIRED = {
    "models.github.ai": "GitHub Models was retired on 2026-07-30",
    "models.inference.ai.azure.com": "GitHub Models was retired on 2026-07-30",
}
"""Hosts that no longer answer, and why: a better message than a name that cannot be resolved."""


def default_for(provider: str) -> Endpoint:
    """The endpoint of a provider when the configuration gives no base_url."""
    return next(e for e in ENDPOINTS if e.provider == provider and e.base_url)


def find(provider: str, origin: Origin) -> Endpoint:
    """The first row that fits. Every provider has a row for any host."""
    return next(e for e in ENDPOINTS if e.provider == provider and _fits(e, origin))


def named(name: str) -> Endpoint | None:
    """The endpoint called `name` that has an address of its own; None when there is none."""
    return next((e for e in ENDPOINTS if e.name == name and e.base_url), None)


def builtin_hosts() -> frozenset[str]:
    """Hosts that a configuration may name without more ado: the public ones of the table, and loopback. Azure is not
    one of them: anybody can rent a name below openai.azure.com."""
    public = {e.host for e in ENDPOINTS if e.host and not e.host.startswith(".")}
    return frozenset(public) | LOOPBACK_NAMES


def ollama_url(host: str) -> str | None:
    """The address that OLLAMA_HOST means to a client: it may lack a scheme or port, and 0.0.0.0 is for the server to
    listen on. None when it says nothing usable."""
    host = host.strip().rstrip("/")
    if not host:
        return None
    scheme, mark, rest = host.rpartition("://")
    place = rest.replace("0.0.0.0", "127.0.0.1", 1).replace("[::]", "127.0.0.1", 1)  # noqa: S104 - read, not bound
    if place.startswith(":"):
        place = "127.0.0.1" + place
    usual = "" if mark or place.rpartition("]")[2].count(":") else ":11434"
    url = f"{scheme or 'http'}://{place}{usual}"
    try:
        origin_of(url)
    except NetError:
        return None
    return url


def _fits(endpoint: Endpoint, origin: Origin) -> bool:
    if endpoint.host.startswith("."):
        return origin.host.endswith(endpoint.host)
    if endpoint.host:
        return origin.host == endpoint.host
    return endpoint.port is None or (origin.is_loopback and origin.port == endpoint.port)
