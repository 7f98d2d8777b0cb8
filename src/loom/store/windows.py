"""Context windows that model servers named, kept beside the answers: llm.windows.Memory over the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from loom.store.cache import Cache

_DAY_S = 86_400
_HOUR_S = 3_600  # a server that said nothing may still have been loading its model


class Windows:
    """Windows by model. A server that was restarted with another one is noticed the next day; until then a smaller one
    means that a request overflows and is split, a larger one that requests are smaller than they could be."""

    def __init__(self, cache: Cache, *, now_s: Callable[[], float]) -> None:
        self._cache = cache
        self._now_s = now_s

    def recall(self, model: str) -> int | None:
        """The window in tokens; 0 when the server did not say; None when not known, or not any more."""
        now = self._now_s()
        entry = self._cache.get(_key(model), now_s=now) or {}
        window, at = entry.get("window"), entry.get("at")
        if not isinstance(window, int) or not isinstance(at, int) or window < 0:
            return None
        return window if 0 <= now - at < (_DAY_S if window else _HOUR_S) else None

    def remember(self, model: str, window: int) -> None:
        """Keep it; 0: the server does not say."""
        now = self._now_s()
        self._cache.put(_key(model), {"window": window, "at": int(now)}, now_s=now)


def _key(model: str) -> bytes:
    return hashlib.sha256(b"context window\0" + model.encode()).digest()
