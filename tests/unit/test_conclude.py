"""Which findings of a tool count, by where they stand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.changes import change
from support.engine import Scripted, config, run_engine

from loom.analyzers.base import Report
from loom.core.change import Files, NoFiles
from loom.core.finding import RawFinding, Severity
from loom.core.result import ReviewResult

BASE = {"a.py": "".join(f"line{n}\n" for n in range(1, 21))}
HEAD = {"a.py": BASE["a.py"].replace("line10\n", "changed\n")}
"""Line 10 is changed, lines 7 to 13 are shown."""


class Says:
    def __init__(self, *findings: RawFinding) -> None:
        self.findings = findings

    def run(self, *_: object) -> Report:
        return Report(self.findings)


def at(line: int | None, path: str = "a.py", **given: str) -> RawFinding:
    return RawFinding(path=path, message=f"at {path}:{line}", line=line, rule="R", severity=Severity.WARNING, **given)  # type: ignore[arg-type] # texts only


def review(
    which: str, *findings: RawFinding, files: Files | None = None, triggers: object = None, **pipeline: object
) -> ReviewResult:
    made, known = change(HEAD, BASE)
    settings = config(pipelines=[{"name": "lint", "run": "lint", "filter": which, **pipeline}], triggers=triggers or {})
    return run_engine(made, files or known, models=Scripted([]), settings=settings, analyzer=lambda _: Says(*findings))


def places(result: ReviewResult) -> dict[str, str]:
    return {f.message: f.anchor for f in result.findings}


ALL = (at(10), at(8), at(2), at(None), at(3, "other.py"))
HERE = {"at a.py:10": "exact", "at a.py:None": "file"}
KEPT: Mapping[str, dict[str, str]] = {
    "added": HERE,
    "context": {**HERE, "at a.py:8": "exact"},
    "file": {**HERE, "at a.py:8": "exact", "at a.py:2": "file"},
    "none": {**HERE, "at a.py:8": "exact", "at a.py:2": "file", "at other.py:3": "none"},
}


@pytest.mark.parametrize("which", KEPT)
def test_a_filter_keeps_what_stands_where_it_says_and_the_rest_is_counted(which: str) -> None:
    result = review(which, *ALL)
    assert places(result) == KEPT[which]
    assert len(result.findings) + len(result.dropped) == len(ALL)
    assert {d.reason for d in result.dropped} <= {"filter", "outside_change"}


def test_the_paths_of_a_pipeline_limit_it_outside_the_change_too() -> None:
    result = review("none", *ALL, exclude_paths=["other.py"])
    assert places(result) == KEPT["file"]
    assert [d.reason for d in result.dropped] == ["filter"]


def test_files_that_the_review_is_not_about_stay_out_of_it() -> None:
    result = review("none", *ALL, triggers={"ignore_paths": ["other.py"]})
    assert places(result) == KEPT["file"]
    assert [d.reason for d in result.dropped] == ["outside_change"]


def test_lines_that_nothing_known_shows_are_kept_and_said() -> None:
    result = review("file", at(2, quote="x = 1"), at(3, quote="y = 1"), at(10), files=NoFiles())
    assert places(result) == {"at a.py:10": "exact", "at a.py:2": "file", "at a.py:3": "file"}
    assert len({f.fingerprint for f in result.findings}) == 3
    assert [n.message for n in result.warnings if n.slug == "lines-unknown"] == [
        "2 finding(s) outside the diff could not be compared with the code: a.py is known as hunks only"
    ]


def test_where_whole_files_are_known_nothing_is_in_doubt() -> None:
    assert [n.slug for n in review("none", *ALL).warnings] == []
