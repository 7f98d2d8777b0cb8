"""Importing in a thread while something else is waited for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loom.infra import ahead


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that was never imported."""
    (tmp_path / "never_seen_before.py").write_text("loaded = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "never_seen_before", raising=False)
    return "never_seen_before"


def test_a_module_is_there_when_the_block_ends(module: str) -> None:
    with ahead.importing(module):
        pass
    assert sys.modules[module].loaded


def test_an_error_in_the_block_comes_out_after_the_imports(module: str) -> None:
    with pytest.raises(ValueError, match="no repository"), ahead.importing(module):
        raise ValueError("no repository")
    assert module in sys.modules


def test_what_cannot_be_imported_is_left_to_whoever_needs_it(module: str) -> None:
    with ahead.importing("no_such_module_anywhere", module):
        pass
    assert module in sys.modules
