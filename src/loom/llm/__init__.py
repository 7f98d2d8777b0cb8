"""Models: one file a wire format; hosts are rows of data. `make` turns a configured one into a model to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loom.infra.net import Network
    from loom.llm.base import Model, Settings
    from loom.llm.windows import Memory

Read = Callable[[str], bytes | None]
"""Reads a file of the configuration's folder, by its path relative to `.loom/`; None when it is not there."""

TABLE: Mapping[str, str] = {
    "openai-compatible": "loom.llm.openai_chat:OpenAIChat",
    "anthropic": "loom.llm.anthropic:AnthropicMessages",
    "google": "loom.llm.gemini:Gemini",
    "ollama": "loom.llm.ollama:Ollama",
    "scripted": "loom.llm.scripted:from_settings",
}
"""Provider -> a wire.Wire, or for `scripted` a function that makes a whole model."""


def make(
    name: str,
    settings: Settings,
    *,
    environ: Mapping[str, str],
    network: Network,
    read: Read,
    memory: Memory | None = None,
) -> Model:
    """The model configured as `models.NAME`. Calls nothing, and does not need the key: a missing one is a NoReplyError
    (model-no-key) of `complete`, so that planning works and cached answers still serve. Raises UsageError for an
    unknown provider or a base_url that is no address."""
    from loom.infra import lookup

    member = lookup.load(TABLE, settings.provider, what="provider")
    if settings.provider == "scripted":
        model: Model = member(settings, read=read)
        return model
    from loom.llm import assembly

    return assembly.build(name, settings, member, environ=environ, network=network, memory=memory)


def lacks_key(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether the model needs a key that is not in the environment. Raises UsageError like `make`."""
    if settings.provider == "scripted":
        return False
    from loom.llm import assembly

    return assembly.lacks_key(settings, environ)
