"""The bar and the exit code."""

from __future__ import annotations

import pytest

from loom.core.finding import RawFinding, Severity
from loom.core.result import Outcome, PipelineOutcome
from loom.engine.aggregate import merge
from loom.engine.gate import Exit, outcome, reaches_bar
from loom.engine.same_fact import Anchored


def finding(severity: Severity, *, deterministic: bool):
    raw = RawFinding(path="a", message="m", line=1)
    anchored = Anchored(
        raw=raw, pipeline="p", severity=severity, deterministic=deterministic, base_path="a",
        anchor="exact", side="new", line=1, end_line=1, code="c", nth=0,
    )  # fmt: skip
    return merge([anchored])[0]


@pytest.mark.parametrize(
    ("severity", "deterministic", "fail_on", "fail_on_model", "blocks"),
    [
        (Severity.BLOCKER, True, "blocker", "never", True),
        (Severity.WARNING, True, "blocker", "never", False),
        (Severity.WARNING, True, "warning", "never", True),
        (Severity.BLOCKER, True, "never", "never", False),
        (Severity.BLOCKER, False, "blocker", "never", False),
        (Severity.BLOCKER, False, "blocker", "blocker", True),
        (Severity.INFO, False, "never", "info", True),
        (Severity.BLOCKER, True, "never", "blocker", False),
    ],
)
def test_facts_and_claims_have_a_bar_each(severity, deterministic, fail_on, fail_on_model, blocks) -> None:
    assert (
        reaches_bar(finding(severity, deterministic=deterministic), fail_on=fail_on, fail_on_model=fail_on_model)
        is blocks
    )


def pipeline(status, required=True) -> PipelineOutcome:
    return PipelineOutcome(name="p", kind="llm", status=status, required=required)


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [
        ({"pipelines": [pipeline("ok")]}, Exit.OK),
        ({"pipelines": [pipeline("failed")]}, Exit.INCOMPLETE),
        ({"pipelines": [pipeline("partial")]}, Exit.INCOMPLETE),
        ({"pipelines": [pipeline("failed", required=False)]}, Exit.OK),
        ({"pipelines": [pipeline("failed")], "allow_incomplete": True}, Exit.OK),
        ({"pipelines": [pipeline("failed")], "blocking": True}, Exit.BLOCKING),
        ({"pipelines": [], "unread": True}, Exit.INCOMPLETE),
        ({"pipelines": [pipeline("failed")], "delivered": False}, Exit.UNDELIVERED),
        ({"pipelines": [], "delivered": False, "blocking": True}, Exit.BLOCKING),
    ],
)
def test_the_first_fact_that_applies_is_the_exit_code(kwargs, code) -> None:
    result: Outcome = outcome(**{"blocking": False, "unread": False, **kwargs})
    assert result.exit_code == code


def test_an_incomplete_review_says_so_even_when_it_is_allowed() -> None:
    allowed = outcome(blocking=False, pipelines=[pipeline("failed")], unread=False, allow_incomplete=True)
    assert (allowed.exit_code, allowed.complete) == (0, False)
