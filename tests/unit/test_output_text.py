"""What a person reads: the rich and the plain form of `text`, and the words they share."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from support.any_result import RESULTS
from support.data import shared
from support.results import CART, CASES, FINE, LOCK, MODEL, SECRETS, finding, result

from loom.core.finding import Severity
from loom.core.result import Notice, ResultHunk, ReviewResult
from loom.outputs import summary
from loom.outputs.base import Look
from loom.outputs.excerpt import MOST, Row, excerpt, replaced
from loom.outputs.terminal import render

RICH = Look(width=80, interactive=True)
PLAIN = Look()
LOOKS = [
    RICH,
    PLAIN,
    Look(width=40, interactive=True),
    Look(width=200, interactive=True),
    Look(width=60, interactive=True),
    Look(width=80, interactive=True, unicode=False),
    Look(unicode=False),
]
SGR = re.compile(r"\x1b\[[0-9;]*m")


def hostile_vectors(*channels: str) -> list[dict[str, Any]]:
    path = shared("data", "hostile", "hostile-output.json")
    return [vector for vector in json.loads(path.read_bytes()) if vector["channel"] in channels]


def everywhere(text: str) -> ReviewResult:
    """A result that says `text` wherever somebody else's text can stand."""
    said = finding(
        title=text, message=text, path=text, rule=text, rule_url=text, quote=text, pipeline=text, sources=(text,)
    )
    hunk = ResultHunk(old_start=42, new_start=42, section=text, lines=(("+", text), (" ", text)))
    return result(
        files=(replace(CART, path=text, old_path=text, hunks=(hunk,)), replace(LOCK, path=text, reason=text)),
        findings=(said, replace(said, title="", line=None)),
        pipelines=(
            replace(
                MODEL,
                name=text,
                model=text,
                summary=text,
                status="partial",
                reason=text,
                hint=text,
                not_reviewed=(text,),
            ),
        ),
        change=replace(CASES["skipped"].change, title=text),
        warnings=(Notice("x", text, text, text),),
        errors=(Notice("x", text, text, text),),
        outcome=replace(FINE, complete=False),
    )


# ---- hostile text


@pytest.mark.parametrize("look", LOOKS)
def test_no_hostile_vector_reaches_a_terminal_or_a_ci_log(look: Look) -> None:
    vectors = hostile_vectors("log", "terminal")
    assert vectors
    for vector in vectors:
        text = render(everywhere(vector["input"]), look)
        for pattern in vector["must_not_match"]:
            assert not re.search(pattern, text), vector["id"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RESULTS, st.sampled_from(LOOKS))
def test_any_result_renders_with_nothing_but_visible_characters(any_result: ReviewResult, look: Look) -> None:
    text = render(any_result, look)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert look.unicode or text.isascii()
    assert text.endswith("\n")


@pytest.mark.parametrize("look", LOOKS)
def test_naughty_strings_render(look: Look) -> None:
    naughty = json.loads(shared("data", "hostile", "blns", "blns.json").read_bytes())
    for case in (
        result(findings=tuple(finding(path=f"a/{text}", title=text, message=text, quote=text) for text in naughty)),
        everywhere("\n".join(naughty)),
    ):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", render(case, look))


def test_colour_is_all_that_colour_adds() -> None:
    for case in CASES.values():
        coloured = render(case, replace(RICH, colour=True))
        assert SGR.search(coloured)
        bare = "".join(f"{line.rstrip()}\n" for line in SGR.sub("", coloured).split("\n")[:-1])
        assert bare == render(case, RICH)


def test_rich_markup_in_a_text_is_only_text() -> None:
    shown = render(result(findings=(finding(title="[bold]x[/bold] [link=https://evil.invalid]y[/link] :boom:"),)), RICH)
    assert "[bold]x[/bold] [link=https://evil.invalid]y[/link] :boom:" in shown


# ---- the forms


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_screen(width: int, unicode: bool) -> None:
    long = finding(
        title="word " * 60,
        message="x" * 500,
        path="a/" * 120 + "f.py",
        rule="r" * 300,
        rule_url="https://x.invalid/" + "u" * 300,
    )
    for case in (*CASES.values(), result(findings=(long,)), everywhere("界" * 300), everywhere("ab " * 200)):
        for line in render(case, Look(width=width, interactive=True, unicode=unicode)).splitlines():
            assert cell_len(line) <= width, line


def test_the_plain_form_is_for_grep_and_editors() -> None:
    lines = render(CASES["findings"], PLAIN).splitlines()
    found = [line for line in lines if re.match(r"[^ :]+(:\d+){0,2}: (blocker|warning|info): .+ \[.+\]$", line)]
    assert len(found) == len(CASES["findings"].findings)
    assert found[0] == "deploy/settings.py:3:10: blocker: A GitHub token is in the code [secrets/github-token]"


def test_a_path_that_looks_like_a_command_of_the_runner_is_broken() -> None:
    text = render(result(findings=(finding(path="::error file=x::y"),)), PLAIN)
    assert not re.search(r"(?m)^\s*::", text)


def test_rich_is_not_loaded_for_the_plain_form() -> None:
    program = (
        "import sys; from support.results import CASES; from loom.outputs.terminal import render;"
        "from loom.outputs.base import Look;"
        "render(CASES['findings'], Look()); print([m for m in sys.modules if m == 'rich' or m.startswith('rich.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": "tests"}
    )
    assert done.stdout == "[]\n"


# ---- the verdict


@pytest.mark.parametrize(
    ("case", "tone", "text"),
    [
        ("clean", "clean", "Reviewed 1 of 2 files (+3 -1): nothing found."),
        (
            "findings",
            "blocked",
            "Reviewed 3 of 5 files (+5 -4): 6 findings (2 blockers, 2 warnings, 2 info); this blocks.",
        ),
        (
            "incomplete",
            "incomplete",
            "Reviewed in part: security failed; review did not see everything; 3 of 5 files not reviewed."
            " In the rest: 1 warning.",
        ),
        ("empty", "nothing", "Nothing was reviewed: the change is empty."),
        ("skipped", "nothing", 'Nothing was reviewed: the title says "WIP".'),
    ],
)
def test_the_verdict_begins_with_whether_anything_was_reviewed(case: str, tone: str, text: str) -> None:
    assert summary.verdict(CASES[case]) == summary.Verdict(tone, text)  # type: ignore[arg-type]  # a parametrized word


FAILED = replace(MODEL, status="failed", reason="no answer")
SIDES = [
    (
        "a failed model and nothing found",
        result(pipelines=(FAILED, SECRETS), outcome=replace(FINE, complete=False)),
        "incomplete",
    ),
    ("every pipeline failed", result(pipelines=(FAILED,), outcome=replace(FINE, complete=False)), "nothing"),
    ("no pipeline at all", result(pipelines=()), "nothing"),
    ("only lock files", result(files=(LOCK,)), "nothing"),
    ("did not run", result(outcome=replace(FINE, ran=False), errors=(Notice("x", "git died"),)), "nothing"),
    ("not delivered", result(outcome=replace(FINE, delivered=False, exit_code=4)), "incomplete"),
    ("a warning", result(findings=(finding(),)), "findings"),
    (
        "blocking and incomplete",
        result(findings=(finding(),), outcome=replace(FINE, complete=False, blocking=True)),
        "incomplete",
    ),
]


@pytest.mark.parametrize(("what", "case", "tone"), SIDES, ids=[side[0] for side in SIDES])
def test_only_a_whole_review_without_findings_looks_green(what: str, case: ReviewResult, tone: str) -> None:
    verdict = summary.verdict(case)
    assert verdict.tone == tone, verdict.text
    coloured = render(case, replace(RICH, colour=True))
    assert "\x1b[1;32m" not in coloured  # the bold green of a clean verdict
    assert "✔" not in coloured


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RESULTS)
def test_clean_means_run_complete_delivered_and_without_findings(any_result: ReviewResult) -> None:
    if summary.verdict(any_result).tone == "clean":
        outcome = any_result.outcome
        assert outcome.ran
        assert outcome.complete
        assert outcome.delivered is not False
        assert not outcome.blocking
        assert not any_result.findings
        assert any(file.reviewed for file in any_result.files)


@pytest.mark.parametrize("look", [RICH, PLAIN])
def test_the_first_line_of_a_failure_says_what_was_reviewed(look: Look) -> None:
    top = "\n".join(render(CASES["incomplete"], look).splitlines()[:2])
    assert "Reviewed in part: security failed" in top


@pytest.mark.parametrize("look", LOOKS)
def test_everything_that_was_not_reviewed_is_named_with_its_reason(look: Look) -> None:
    text = " ".join(render(CASES["incomplete"], look).split())
    for said in (
        "db/seed.sql",
        "db/more.sql",
        "over 20,000 changed lines",
        "package-lock.json",
        "a lock file",
        "1 of 2 hunks",
        "src/cart.py#1",
        "deploy/settings.py#2",
        "the answer was cut off",
        "the checkout is not accepted",
        "loom trust",
    ):
        assert said in text


# ---- words and figures


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (999, "999"), (1_000, "1.0k"), (12_345, "12.3k"), (999_949, "999.9k"), (999_950, "1.0M")]
)
def test_tokens_are_short(n: int, text: str) -> None:
    assert summary.tokens(n) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "cost unknown"),
        (0.0, "$0"),
        (0.00001, "<$0.0001"),
        (0.00123, "$0.0012"),
        (0.0412, "$0.041"),
        (1.5, "$1.50"),
    ],
)
def test_an_unknown_price_is_never_zero(usd: float | None, text: str) -> None:
    assert summary.money(usd) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(7, "7 ms"), (1_000, "1.0 s"), (59_949, "59.9 s"), (59_950, "1m 00s"), (125_431, "2m 05s")]
)
def test_durations_are_short(ms: int, text: str) -> None:
    assert summary.duration(ms) == text


def test_findings_are_counted_by_severity() -> None:
    blocker, warning, info = (finding(severity=s) for s in Severity)
    assert summary.found((blocker, warning, warning, info)) == "4 findings (1 blocker, 2 warnings, 1 info)"
    assert summary.found((warning,)) == "1 warning"
    assert summary.found(()) == "nothing found"


# ---- excerpts


def test_an_excerpt_shows_the_marked_lines_with_two_around() -> None:
    rows = excerpt(finding(line=42, end_line=43), CART)
    assert [(row.number, row.kind, row.marked) for row in rows if row] == [
        (41, " ", False),
        (None, "-", False),
        (42, "+", True),
        (43, "+", True),
        (44, "+", False),
        (45, " ", False),
    ]


def test_an_excerpt_of_a_removed_line_counts_on_the_old_side() -> None:
    rows = excerpt(finding(line=42, end_line=42, side="old"), CART)
    assert [(row.number, row.kind, row.marked) for row in rows if row] == [
        (40, " ", False),
        (41, " ", False),
        (42, "-", True),
        (None, "+", False),
        (None, "+", False),
    ]


def test_without_hunks_the_quote_has_to_do() -> None:
    rows = excerpt(finding(line=7, quote="a\nb"), replace(CART, hunks=()))
    assert rows == (Row(7, " ", "a", True), Row(8, " ", "b", True))
    assert excerpt(finding(quote=None), None) == ()
    assert excerpt(finding(line=None), CART) == ()


def test_the_middle_of_a_long_excerpt_is_left_out() -> None:
    hunk = ResultHunk(old_start=0, new_start=1, section="", lines=tuple(("+", str(n)) for n in range(1, 101)))
    rows = excerpt(finding(line=1, end_line=100), replace(CART, hunks=(hunk,)))
    assert len(rows) == MOST
    assert rows.count(None) == 1
    assert (rows[0], rows[-1]) == (Row(1, "+", "1", True), Row(100, "+", "100", True))


def test_the_lines_that_a_suggestion_replaces_are_known_only_when_all_are_there() -> None:
    suggestion = CASES["findings"].findings[2].suggestion
    assert suggestion is not None
    assert replaced(suggestion, CART) == ("    if rate is 0:", "        return subtotal")
    assert replaced(replace(suggestion, end_line=99), CART) is None
    assert replaced(suggestion, None) is None


def test_tabs_and_line_ends_of_windows_do_not_show() -> None:
    hunk = ResultHunk(old_start=42, new_start=42, section="", lines=(("+", "\tx = 1\r"),))
    shown = render(result(files=(replace(CART, hunks=(hunk,)),), findings=(finding(),)), RICH)
    assert " ❯ 42 + │     x = 1\n" in shown
