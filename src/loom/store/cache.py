"""Answers of models, by the hash of everything that went into the question. One SQLite file in the user's cache.

An entry is only ever text that a model said; it is parsed again on every read. Entries are authenticated (HMAC when
LOOM_STATE_KEY is set, else a plain hash that catches damage and misplacing), so that one which was tampered with or
belongs elsewhere counts as absent and is asked for again. A cache that cannot be used is no reason to fail a review.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_SCHEMA = 1  # raise when the meaning of an entry changes: older files are then started anew
_MAX_ENTRY = 8_000_000  # bytes unpacked; far above any answer, far below a decompression bomb


@dataclass(frozen=True, slots=True)
class CacheSize:
    """What `loom cache` shows."""

    entries: int
    bytes: int
    path: Path


class Cache:
    """Content-addressed answers. Not for concurrent use by threads; several processes may share the file."""

    def __init__(self, folder: Path, *, secret: str = "", ttl_days: int = 7, max_mb: int = 500) -> None:
        self._path = folder / f"answers-v{_SCHEMA}.sqlite3"
        self._secret = secret.encode()
        self._ttl_s = ttl_days * 86_400
        self._max_bytes = max_mb * 1_000_000
        self._db: sqlite3.Connection | None = None
        self._wrote = False
        self.trouble: str | None = None
        """Why the cache could not be used; None while it works."""

    def get(self, key: bytes, *, now_s: float) -> Mapping[str, object] | None:
        """The entry kept under `key` (32 bytes), or None when absent, too old, damaged or foreign. `now_s`: epoch."""
        row = self._ask(lambda db: db.execute("SELECT at, mac, value FROM answer WHERE key = ?", (key,)).fetchone())
        if row is None:
            return None
        at, mac, value = row
        fresh = isinstance(at, int) and 0 <= now_s - at < self._ttl_s
        whole = isinstance(mac, bytes) and isinstance(value, bytes)
        if fresh and whole and hmac.compare_digest(mac, self._mac(key, at, value)):
            return _unpack(value)
        return None

    def put(self, key: bytes, entry: Mapping[str, object], *, now_s: float) -> None:
        """Keep `entry` (JSON values without secrets)."""
        at = int(now_s)
        value = zlib.compress(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        row = (key, at, self._mac(key, at, value), value)
        insert = "INSERT OR REPLACE INTO answer (key, at, mac, value) VALUES (?, ?, ?, ?)"
        self._wrote = self._ask(lambda db: db.execute(insert, row)) is not None or self._wrote

    def size(self) -> CacheSize:
        """Entries and bytes on disk."""
        count = "SELECT count(*) FROM answer"
        row = self._ask(lambda db: db.execute(count).fetchone()) if self._path.exists() else None
        on_disk = sum(p.stat().st_size for p in self._path.parent.glob(self._path.name + "*"))
        return CacheSize(row[0] if row else 0, on_disk, self._path)

    def prune(self, *, now_s: float) -> int:
        """Remove what is too old and, oldest first, what is over the size cap. Returns how many went."""

        def remove(db: sqlite3.Connection) -> int:
            gone = db.execute("DELETE FROM answer WHERE at <= ?", (int(now_s - self._ttl_s),)).rowcount
            total = db.execute("SELECT coalesce(sum(length(value)), 0) FROM answer").fetchone()[0]
            if total > self._max_bytes:
                gone += db.execute(_DELETE_OLDEST, (total - self._max_bytes,)).rowcount
            return gone

        return self._ask(remove) or 0

    def clear(self) -> None:
        """Remove the cache from the disk."""
        self._shut()
        for path in self._path.parent.glob(self._path.name + "*"):
            path.unlink(missing_ok=True)

    def close(self, *, now_s: float) -> None:
        """Prune if anything was written, and close."""
        if self._wrote:
            self.prune(now_s=now_s)
        self._shut()

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        """The database's answer, or None. A file that is no database is started anew; other trouble turns the cache
        off for this run and is told once, in `trouble`."""
        if self.trouble is not None:
            return None
        try:
            return question(self._open())
        except sqlite3.DatabaseError as error:
            self._shut()
            damaged = "malformed" in str(error) or "not a database" in str(error)
            if damaged and self._path.exists():
                self._path.unlink()
            else:
                self.trouble = f"the cache at {self._path} cannot be used: {error}"
        except OSError as error:
            self.trouble = f"the cache at {self._path} cannot be used: {error.strerror or error}"
        return None

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, timeout=5, isolation_level=None)
            self._db = db
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS answer"
                " (key BLOB PRIMARY KEY, at INTEGER NOT NULL, mac BLOB NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
            )
        return self._db

    def _shut(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _mac(self, key: bytes, at: int, value: bytes) -> bytes:
        return hmac.new(self._secret, b"%d\0%b\0%b" % (at, key, value), hashlib.sha256).digest()


_DELETE_OLDEST = """
DELETE FROM answer WHERE key IN (
  SELECT key FROM (SELECT key, sum(length(value)) OVER (ORDER BY at, key) AS upto, length(value) AS own FROM answer)
  WHERE upto - own < ?)
"""


def _unpack(value: bytes) -> Mapping[str, object] | None:
    unpack = zlib.decompressobj()
    try:
        raw = unpack.decompress(value, _MAX_ENTRY)
        entry = json.loads(raw) if not unpack.unconsumed_tail else None
    except (zlib.error, ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
