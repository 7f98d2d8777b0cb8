"""Third-party test data beside the project. It is read, never copied; without it these tests are skipped, unless
LOOM_REQUIRE_DATA=1 says that it must be there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
DATA = SHARED / "data"


def shared(*parts: str) -> Path:
    """The path of a piece of shared data; skips the test (or fails it, when data is required) where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        message = f"test data {'/'.join(parts)} is not beside the project"
        if os.environ.get("LOOM_REQUIRE_DATA") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path


def cases(folder: str, pattern: str) -> list[Path]:
    """Files of a corpus for parametrize, in order. One missing path stands in for an absent corpus, so that a test
    which calls `shared` on it is reported as skipped, not silently uncollected."""
    found = sorted(DATA.joinpath(folder).glob(pattern))
    return found or [DATA / folder / "absent"]
