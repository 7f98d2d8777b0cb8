"""Every output of every case as a whole file, so that a change of what users see is seen in the diff.

Make them anew after a wanted change: LOOM_GOLDEN=write .venv/bin/pytest tests/unit/test_output_golden.py
"""

from __future__ import annotations

import os

import pytest
from support.data import ROOT
from support.results import CASES

from loom import outputs
from loom.outputs.base import Look

WRITE = os.environ.get("LOOM_GOLDEN") == "write"  # read here: the tests themselves run without LOOM_ variables
GOLDEN = ROOT / "tests" / "golden"

SCREENS = {
    "80.txt": Look(width=80, interactive=True),
    "120.txt": Look(width=120, interactive=True),
    "ascii.txt": Look(width=80, interactive=True, unicode=False),
    "plain.txt": Look(),
    "narrow.txt": Look(width=40, interactive=True),
    "ansi": Look(width=80, interactive=True, colour=True),
}
"""How `text` is shown -> the file's suffix. `cat findings.ansi` shows the colours."""
SUFFIX = {
    "json": "json",
    "sarif": "sarif",
    "markdown": "md",
    "github": "txt",
    "gitlab-codequality": "json",
    "junit": "xml",
    "rdjsonl": "jsonl",
    "agent": "txt",
    "html": "html",
}
FILES = [
    *(("text", case, suffix, look) for case in CASES for suffix, look in SCREENS.items()),
    *((name, case, suffix, Look()) for name, suffix in SUFFIX.items() for case in CASES),
]


@pytest.mark.parametrize(
    ("name", "case", "suffix", "look"), FILES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_output_is_what_the_golden_file_shows(name: str, case: str, suffix: str, look: Look) -> None:
    text = outputs.output(name)(CASES[case], look)
    golden = GOLDEN / name / f"{case}.{suffix}"
    if WRITE:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_bytes(text.encode())
    assert text == golden.read_bytes().decode()


def test_every_golden_file_belongs_to_a_case() -> None:
    wanted = {GOLDEN / name / f"{case}.{suffix}" for name, case, suffix, _ in FILES}
    assert {path for path in GOLDEN.rglob("*") if path.is_file()} == wanted


def test_every_format_has_golden_files() -> None:
    assert {name for name, *_ in FILES} == set(outputs.FORMATS)
