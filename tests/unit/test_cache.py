"""The cache: what goes in comes out, and nothing else does."""

from __future__ import annotations

import sqlite3
from pathlib import Path

KEY = b"k" * 32
OTHER = b"o" * 32
ENTRY = {"text": "an answer", "model": "m"}


def test_an_entry_comes_back_until_it_is_too_old(tmp_path: Path, open_cache) -> None:
    cache = open_cache(tmp_path, ttl_days=7)
    cache.put(KEY, ENTRY, now_s=1_000)
    assert cache.get(KEY, now_s=1_000 + 7 * 86_400 - 1) == ENTRY
    assert cache.get(KEY, now_s=1_000 + 7 * 86_400) is None
    assert cache.get(OTHER, now_s=1_000) is None


def test_a_changed_entry_counts_as_absent(tmp_path: Path, open_cache) -> None:
    cache = open_cache(tmp_path)
    cache.put(KEY, ENTRY, now_s=1)
    cache.close(now_s=2)
    (path,) = tmp_path.glob("*.sqlite3")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answer SET value = substr(value, 1, length(value) - 1) || x'00'")
    db.close()
    assert open_cache(tmp_path).get(KEY, now_s=2) is None


def test_an_entry_put_under_another_key_counts_as_absent(tmp_path: Path, open_cache) -> None:
    cache = open_cache(tmp_path)
    cache.put(KEY, ENTRY, now_s=1)
    cache.close(now_s=2)
    (path,) = tmp_path.glob("*.sqlite3")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answer SET key = ?", (OTHER,))
    db.close()
    assert open_cache(tmp_path).get(OTHER, now_s=2) is None


def test_an_entry_signed_with_another_key_counts_as_absent(tmp_path: Path, open_cache) -> None:
    theirs = open_cache(tmp_path, secret="theirs")
    theirs.put(KEY, ENTRY, now_s=1)
    theirs.close(now_s=1)
    assert open_cache(tmp_path, secret="ours").get(KEY, now_s=2) is None
    assert open_cache(tmp_path).get(KEY, now_s=2) is None


def test_a_file_that_is_no_database_is_started_anew(tmp_path: Path, open_cache) -> None:
    path = tmp_path / "answers-v1.sqlite3"
    path.write_bytes(b"not a database at all, but long enough to be read as a header" * 10)
    cache = open_cache(tmp_path)
    assert cache.get(KEY, now_s=1) is None
    cache.put(KEY, ENTRY, now_s=1)
    assert cache.get(KEY, now_s=1) == ENTRY
    assert cache.trouble is None


def test_a_place_that_cannot_be_written_turns_the_cache_off(tmp_path: Path, open_cache) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    cache = open_cache(blocked / "cache")
    cache.put(KEY, ENTRY, now_s=1)
    assert cache.get(KEY, now_s=1) is None
    assert cache.trouble is not None
    assert "cannot be used" in cache.trouble


def test_the_oldest_entries_go_when_the_cache_is_over_its_size(tmp_path: Path, open_cache) -> None:
    cache = open_cache(tmp_path, max_mb=0)
    cache.put(KEY, ENTRY, now_s=1)
    cache.put(OTHER, ENTRY, now_s=2)
    assert cache.prune(now_s=3) == 2
    assert cache.size().entries == 0


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path, open_cache) -> None:
    cache = open_cache(tmp_path)
    cache.put(KEY, {"text": "a" * 9_000_000}, now_s=1)
    assert cache.get(KEY, now_s=1) is None


def test_clearing_leaves_nothing_behind(tmp_path: Path, open_cache) -> None:
    cache = open_cache(tmp_path)
    cache.put(KEY, ENTRY, now_s=1)
    cache.clear()
    assert list(tmp_path.iterdir()) == []
