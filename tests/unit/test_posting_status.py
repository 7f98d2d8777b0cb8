"""The table of outcomes: what the status says, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.posting import claim, reviewed
from support.results import FINE, MODEL

from loom.engine.standing import concluded, stale, state_of, status_of

PARTLY = replace(FINE, complete=False, exit_code=3)


@pytest.mark.parametrize(
    ("outcome", "blocking", "delivered", "allow", "state", "code"),
    [
        (FINE, False, True, False, "success", 0),
        (FINE, False, None, False, "success", 0),
        (FINE, True, True, False, "failure", 1),
        (PARTLY, True, False, False, "failure", 1),
        (FINE, False, False, False, "neutral", 4),
        (PARTLY, False, False, True, "neutral", 4),
        (PARTLY, False, True, False, "neutral", 3),
        (PARTLY, False, True, True, "neutral", 0),
        (replace(FINE, skipped="a draft", ran=False), False, None, False, "neutral", 0),
        (replace(PARTLY, exit_code=130), True, True, False, "failure", 130),
    ],
)
def test_the_outcome_gives_status_and_exit_code(
    outcome: Any, blocking: bool, delivered: Any, allow: bool, state: str, code: int
) -> None:
    now = concluded(outcome, blocking=blocking, delivered=delivered, allow_incomplete=allow)
    assert (state_of(now), now.exit_code) == (state, code)


def test_a_stale_review_is_skipped_with_exit_code_0() -> None:
    now = stale(replace(PARTLY, blocking=True, exit_code=1), "the head is abc now")
    assert (now.exit_code, now.skipped, now.delivered) == (0, "stale: the head is abc now", None)


def test_a_fork_without_secrets_leaves_the_status_to_the_second_stage() -> None:
    review = reviewed(pipelines=(replace(MODEL, status="skipped", required=False, reason="no secrets"),))
    assert status_of(review, second_stage=True) is None
    assert status_of(review) is not None
    assert status_of(reviewed(), second_stage=True) is not None


def test_the_title_fits_into_one_line_and_tells_the_verdict() -> None:
    status = status_of(reviewed(claim(1), outcome=replace(FINE, blocking=True)), [claim(1)])
    assert status is not None
    assert status.title == "Reviewed 1 file (+400 -0): 1 warning; this blocks."
    assert [(n.path, n.line, n.severity) for n in status.notes] == [("src/cart.py", 1, "warning")]
