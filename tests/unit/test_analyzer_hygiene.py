"""builtin/hygiene: every case in tests/cases/hygiene is a diff and what must be said about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loom.analyzers.hygiene import Hygiene
from loom.analyzers.leftovers import LEFTOVERS
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.diff import FileChange, Hunk
from loom.infra import regex
from loom.infra.parse_diff import parse

CASES = sorted((Path(__file__).parents[1] / "cases" / "hygiene").glob("*.diff"))


def change(*files: FileChange) -> ChangeSet:
    return ChangeSet(ChangeRef("diff"), files)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_case_gets_exactly_its_findings(case: Path) -> None:
    parsed = parse(case.read_bytes())
    assert parsed.unread == ()
    report = Hygiene().run(change(*parsed.files), NoFiles())
    said = [
        {"path": f.path, "line": f.line, "rule": f.rule, "severity": f.severity and f.severity.value, "title": f.title}
        for f in report.findings
    ]
    assert said == json.loads(case.with_suffix(".json").read_text())


def test_the_cases_are_there() -> None:
    rules = {finding["rule"] for case in CASES for finding in json.loads(case.with_suffix(".json").read_text())}
    assert rules >= {row.rule for row in LEFTOVERS}


def test_every_finding_says_what_to_do_and_quotes_nothing() -> None:
    for case in CASES:
        for finding in Hygiene().run(change(*parse(case.read_bytes()).files), NoFiles()).findings:
            assert finding.message.endswith(".")
            assert finding.quote is None


class Whole:
    """Files of which the head is known."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def head(self, path: str) -> bytes | None:
        return self._head

    def base(self, path: str) -> bytes | None:
        return None


def test_a_conflict_that_reaches_beyond_its_hunk_is_seen_in_the_whole_file() -> None:
    whole = b"<<<<<<< HEAD\n" + b"x\n" * 50 + b"=======\n" + b"y\n" * 50 + b">>>>>>> b\n"
    added_end = FileChange("a.py", "modified", hunks=(Hunk(100, 1, 100, 4, "", b" y\n y\n y\n+>>>>>>> b"),))
    assert Hygiene().run(change(added_end), NoFiles()).findings == ()
    (finding,) = Hygiene().run(change(added_end), Whole(whole)).findings
    assert (finding.line, finding.rule) == (103, "hygiene/conflict-marker")
    assert "Lines 1 to 103" in finding.message


def test_a_conflict_that_the_change_did_not_bring_is_not_reported() -> None:
    whole = b"<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> b\nz\n=======\n"
    file = FileChange("a.py", "modified", hunks=(Hunk(6, 1, 6, 2, "", b" z\n+======="),))
    assert Hygiene().run(change(file), Whole(whole)).findings == ()


@pytest.mark.parametrize("row", LEFTOVERS, ids=lambda row: row.rule + " " + (row.endings or ("any",))[0])
def test_every_row_compiles_alone_and_for_many_lines(row: object) -> None:
    pattern = getattr(row, "pattern", "")
    regex.compile(pattern)
    regex.compile(f"(?m){pattern}")
