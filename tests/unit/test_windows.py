"""What a model server said about its context window is remembered, for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from loom.store.windows import Windows, _key

HOUR_S, DAY_S = 3_600, 86_400


class Clock:
    """The time, as the test sets it."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("window", "later_s", "recalled"),
    [
        (8_192, 0, 8_192),
        (8_192, DAY_S - 1, 8_192),
        (8_192, DAY_S, None),  # the server may have been restarted with another window
        (0, HOUR_S - 1, 0),  # it does not say: not asked again at once …
        (0, HOUR_S, None),  # … but soon: it may have been loading its model
        (8_192, -60, None),  # written in the future: the clock was wrong
    ],
)
def test_a_window_is_recalled_for_a_day_and_silence_for_an_hour(
    tmp_path: Path, open_cache, window: int, later_s: float, recalled: int | None
) -> None:
    clock = Clock()
    Windows(open_cache(tmp_path), now_s=clock).remember("host model", window)
    clock.now_s += later_s
    assert Windows(open_cache(tmp_path), now_s=clock).recall("host model") == recalled


def test_every_model_has_its_own_window(tmp_path: Path, open_cache) -> None:
    windows = Windows(open_cache(tmp_path), now_s=Clock())
    windows.remember("host a", 4_096)
    assert (windows.recall("host a"), windows.recall("host b")) == (4_096, None)


@pytest.mark.parametrize("entry", [{}, {"window": "8192", "at": 1_000_000}, {"window": -1, "at": 1_000_000}])
def test_an_entry_that_is_no_window_counts_as_absent(tmp_path: Path, open_cache, entry: dict[str, object]) -> None:
    cache, clock = open_cache(tmp_path), Clock()
    windows = Windows(cache, now_s=clock)
    cache.put(_key("host model"), entry, now_s=clock())
    assert windows.recall("host model") is None
