"""Which model server answers on this machine, so that a first local review needs no configuration. Loopback only.

Whether anything listens is asked with bare sockets first: most machines have no server, and for them this must cost
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import selectors
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loom.core.errors import LoomError
from loom.infra.net import NetError, Network, origin_of
from loom.llm.endpoints import ollama_url

PROBE_S = 0.2


@dataclass(frozen=True, slots=True)
class Server:
    """A server that may run here."""

    label: str
    provider: str
    origin: str


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answered, and the model to use there."""

    server: Server
    model: str

    @property
    def provider(self) -> str:
        """For the configuration."""
        return self.server.provider

    @property
    def base_url(self) -> str:
        """For the configuration."""
        return self.server.origin + ("/v1" if self.server.provider == "openai-compatible" else "")


# In order of preference: Ollama can be told its context window, the others cannot.
_SERVERS = (
    Server("Ollama", "ollama", "http://127.0.0.1:11434"),
    Server("LM Studio", "openai-compatible", "http://127.0.0.1:1234"),
    Server("llama.cpp", "openai-compatible", "http://127.0.0.1:8080"),
    Server("vLLM", "openai-compatible", "http://127.0.0.1:8000"),
)

# Names that speak for a model's use for code, best first (November 2026).
_CODERS = ("coder", "devstral", "codestral", "gpt-oss", "qwen3", "deepseek", "glm", "gemma", "llama", "mistral", "qwen")
# Embedding and other models that cannot chat.
_NOT_CHAT = ("embed", "bge-", "rerank", "whisper", "clip", "ocr", "minilm", "nomic")


def candidates(environ: Mapping[str, str]) -> tuple[Server, ...]:
    """Where to look. OLLAMA_HOST counts when it names this machine."""
    own = ollama_url(environ.get("OLLAMA_HOST", ""))
    if own is None or not origin_of(own).is_loopback:
        return _SERVERS
    return (Server("Ollama", "ollama", own), *(s for s in _SERVERS if s.provider != "ollama"))


def listening(servers: Iterable[Server], *, within_s: float = PROBE_S) -> tuple[Server, ...]:
    """Those of `servers` whose port accepts a connection; all asked at once. Nothing but `socket` is needed for it."""
    waiting = selectors.DefaultSelector()
    open_: set[Server] = set()
    asked = tuple(servers)
    try:
        for server in asked:
            place = origin_of(server.origin)
            family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
            probe = socket.socket(family, socket.SOCK_STREAM)
            probe.setblocking(False)
            host = "127.0.0.1" if place.host == "localhost" else place.host
            probe.connect_ex((host, place.port))
            waiting.register(probe, selectors.EVENT_WRITE, server)
        while waiting.get_map() and (ready := waiting.select(within_s)):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    open_.add(key.data)
                waiting.unregister(key.fileobj)
                key.fileobj.close()
    finally:
        for key in list(waiting.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        waiting.close()
    return tuple(s for s in asked if s in open_)


async def detect(
    environ: Mapping[str, str], network: Network, *, servers: tuple[Server, ...] | None = None
) -> Found | None:
    """The first server that answers with a usable model; None when there is none. Never raises for a server's sake."""
    here = listening(candidates(environ) if servers is None else servers)
    if not here:
        return None
    models = await asyncio.gather(*(_model_of(server, network) for server in here))
    return next((Found(server, model) for server, model in zip(here, models, strict=True) if model), None)


async def _model_of(server: Server, network: Network) -> str | None:
    with contextlib.suppress(TimeoutError, LoomError, ValueError):
        async with asyncio.timeout(PROBE_S * 5):  # something listens there: now it may take its time
            if server.provider == "ollama":
                return await _ollama_model(server, network)
            listed = await _get(f"{server.origin}/v1/models", network)
            return best([str(m.get("id", "")) for m in _dicts(listed.get("data"))])
    return None


async def _ollama_model(server: Server, network: Network) -> str | None:
    """A model that is loaded answers at once; else the best of those that were pulled. None is ever pulled."""
    loaded = [str(m.get("name", "")) for m in _dicts((await _get(f"{server.origin}/api/ps", network)).get("models"))]
    if chosen := best(loaded):
        return chosen
    pulled = _dicts((await _get(f"{server.origin}/api/tags", network)).get("models"))
    by_size = sorted(pulled, key=lambda m: m["size"] if isinstance(m.get("size"), int) else 0, reverse=True)
    return best([str(m.get("name", "")) for m in by_size])


def best(names: list[str]) -> str | None:
    """The most promising name: what is made for code first, then the order given."""
    usable = [n for n in names if n and not any(word in n.lower() for word in _NOT_CHAT)]

    def rank(name: str) -> int:
        return next((i for i, word in enumerate(_CODERS) if word in name.lower()), len(_CODERS))

    return min(usable, key=rank, default=None)


async def _get(url: str, network: Network) -> dict[str, Any]:
    status, body = await network.get(url, timeout_s=PROBE_S * 5)
    document = json.loads(body) if status == 200 else {}
    if not isinstance(document, dict):
        raise NetError("not a model server", kind="broken")
    return document


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
