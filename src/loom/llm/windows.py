"""How large a self-hosted model's context window is: the servers' own ways to say so, and what they said before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from loom.infra.net import Network, origin_of
from loom.llm.wire import Target, as_dict, count

# What Ollama is asked to load when the model could take more: the window costs memory whether it is used or not.
OLLAMA_MOST = 32_768


class Memory(Protocol):
    """What servers said in earlier runs, so that a review with nothing to ask calls nobody."""

    def recall(self, model: str) -> int | None:
        """The window in tokens; 0 when the server did not say; None when it was not asked, or too long ago."""

    def remember(self, model: str, window: int) -> None:
        """Keep it."""


class Forgetful:
    """Remembers nothing: every run asks."""

    def recall(self, model: str) -> int | None:
        """See Memory.recall."""
        return None

    def remember(self, model: str, window: int) -> None:
        """See Memory.remember."""


def is_local(target: Target) -> bool:
    """Whether the model runs on this machine."""
    return origin_of(target.base_url).is_loopback


async def ask(target: Target, headers: Mapping[str, str], network: Network) -> int | None:
    """The context window in tokens, or None when the server does not say. Raises NetError, TrustError, ValueError."""
    if target.endpoint.provider == "ollama":
        return await _ollama(target, headers, network)
    if target.endpoint.provider != "openai-compatible":
        return None
    origin = origin_of(target.base_url)
    if target.endpoint.name == "lm-studio":
        models = await _get(f"{origin}/api/v0/models", headers, network)
        mine = _entry(models, target.model)
        return count(mine.get("loaded_context_length")) or count(mine.get("max_context_length")) or None
    mine = _entry(await _get(target.url("/models"), headers, network), target.model)
    if size := count(mine.get("max_model_len")) or count(mine.get("context_length")):  # vLLM; OpenRouter and its kin
        return size
    if mine.get("owned_by") == "llamacpp":
        # n_ctx_train is what the model could do; a slot gets n_ctx, which is what a request must fit into.
        props = await _get(f"{origin}/props", headers, network)
        return count(as_dict(props.get("default_generation_settings")).get("n_ctx")) or None
    return None


async def _ollama(target: Target, headers: Mapping[str, str], network: Network) -> int | None:
    base = target.base_url.partition("?")[0].rstrip("/").removesuffix("/v1").removesuffix("/api")
    body = json.dumps({"model": target.model}).encode()
    async with network.exchange("POST", f"{base}/api/show", headers=headers, body=body, idle_s=3.0) as answer:
        shown = as_dict(json.loads(await answer.body(8 << 20))) if answer.status == 200 else {}
    info = as_dict(shown.get("model_info"))
    lengths = [count(value) for name, value in info.items() if name.endswith(".context_length")]
    return min(max(lengths), OLLAMA_MOST) if any(lengths) else None


async def _get(url: str, headers: Mapping[str, str], network: Network) -> dict[str, Any]:
    status, body = await network.get(url, headers=headers, limit=8 << 20, timeout_s=3.0)
    return as_dict(json.loads(body)) if status == 200 else {}


def _entry(models: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The entry of our model in a list of models; the only one when there is only one (names are often aliases)."""
    listed = models.get("data")
    entries = [as_dict(m) for m in listed] if isinstance(listed, list) else []
    mine = next((m for m in entries if m.get("id") == name), None)
    return mine or (entries[0] if len(entries) == 1 else {})
