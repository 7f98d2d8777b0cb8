"""Markdown: a comment that nobody is harmed by and that fits where comments go."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt
from support.any_result import RESULTS
from support.data import shared
from support.results import CART, CASES, FINE, MODEL, finding, result

from loom.core.result import Notice, ResultHunk, ReviewResult
from loom.outputs.base import Look
from loom.outputs.markdown import LIMIT, render

OURS = re.compile(r"</?details>|</?summary>|</?b>|</?code>")
"""The only HTML that we write."""


def shown(of: ReviewResult) -> str:
    return render(of, Look())


def everywhere(text: str) -> ReviewResult:
    hunk = ResultHunk(old_start=42, new_start=42, section=text, lines=tuple(("+", line) for line in text.split("\n")))
    said = finding(
        title=text, message=text, path=text, rule=text, quote=text, pipeline=text, sources=(text,), end_line=99
    )
    return result(
        files=(replace(CART, path=text, hunks=(hunk,)), replace(CART, reviewed=False, reason=text)),
        findings=(said, replace(said, title="")),
        pipelines=(replace(MODEL, name=text, model=text, summary=text, status="partial", reason=text, hint=text,
                           not_reviewed=(text,)),),
        change=replace(CASES["skipped"].change, title=text),
        warnings=(Notice("x", text, text, text),), errors=(Notice("x", text, text, text),),
        outcome=replace(FINE, complete=False),
    )  # fmt: skip


def markup_of(text: str) -> str:
    """Everything in the rendered page that is markup, not text or code."""
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
    inner = [child for token in tokens for child in (token.children or [token])]
    links = [str(t.attrs) for t in inner if t.type in ("link_open", "image")]
    return "\n".join([*links, *(t.content for t in inner if t.type in ("html_inline", "html_block"))])


def test_no_hostile_vector_of_a_comment_gets_through() -> None:
    everything = json.loads(shared("data", "hostile", "hostile-output.json").read_bytes())
    vectors = [v for v in everything if v["channel"] in ("comment", "suggestion") and not v["id"].startswith("secret-")]
    assert len(vectors) > 5  # the secret ones are masked before a result exists
    for vector in vectors:
        text = shown(everywhere(vector["input"]))
        prose = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$|(`+)[^`]+\2|<code>.*?</code>", "", text)
        for pattern in vector["must_not_match"]:
            subject = text if pattern.startswith(("(?m)^", "^", "[")) else prose
            assert not re.search(pattern, subject), vector["id"]


@pytest.mark.parametrize("case", CASES)
def test_the_only_markup_is_ours(case: str) -> None:
    markup = markup_of(shown(CASES[case]))
    assert not re.search(r"<", re.sub(r"&lt;", "", OURS.sub("", markup)))
    assert "evil.invalid" not in "".join(line for line in markup.splitlines() if line.startswith("{"))


def test_naughty_strings_bring_no_markup() -> None:
    for text in json.loads(shared("data", "hostile", "blns", "blns.json").read_bytes()):
        markup = OURS.sub("", markup_of(shown(everywhere(text))))
        assert "<" not in markup, text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RESULTS)
def test_any_result_renders_with_closed_folds(any_result: ReviewResult) -> None:
    text = shown(any_result)
    markup = markup_of(text)
    assert len(re.findall("<details>", markup)) == len(re.findall("</details>", markup))
    assert not re.search(r"(?m)^\s*/[A-Za-z]", text)


@pytest.mark.parametrize("title", ["a | b", r"a \| b", r"a \\| b", "`a | b`", "||||", "\\"])
def test_a_bar_does_not_end_a_cell(title: str) -> None:
    text = shown(result(findings=(finding(title=title, path="a|b.py"),)))
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    rows = [t for t in tokens if t.type == "td_open"]
    cells = [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "td_open"][:4]
    assert len(rows) >= 4
    assert cells[0].endswith("warning")
    assert "a|b.py:42" in cells[1]
    assert cells[3] == "review"


def test_thousands_of_findings_fit_and_what_is_left_out_is_counted() -> None:
    many = tuple(finding(fingerprint=f"{n:016x}", message="word " * 50, path=f"src/{n}.py") for n in range(3_000))
    text = shown(result(findings=many))
    assert len(text) <= LIMIT
    rows = text.count("\n| ⚠️ warning |")
    folds = text.count("<summary>⚠️")
    assert f"*{3_000 - rows:,} more findings in the result file*" in text
    assert f"*{3_000 - folds:,} more findings' details in the result file.*" in text
    assert rows > 100
    assert folds > 20


def test_nothing_makes_it_longer_than_a_comment_may_be() -> None:
    huge = everywhere("@a #1 | <x> `y` " * 1_000)
    noisy = replace(
        huge,
        findings=huge.findings * 100,
        pipelines=huge.pipelines * 100,
        warnings=huge.warnings * 500,
        files=tuple(
            replace(CART, path=f"{n}", reviewed=False, reason=f"reason {n} " + "@a " * 200) for n in range(900)
        ),
    )
    assert len(shown(noisy)) <= 65_536


def test_an_incomplete_review_leads_with_what_lacks() -> None:
    assert shown(CASES["incomplete"]).startswith("## Loom: 🌓 Reviewed in part: security failed;")


def test_a_suggestion_that_deletes_says_so() -> None:
    suggestion = CASES["findings"].findings[1].suggestion
    assert suggestion is not None
    text = shown(result(findings=(finding(suggestion=replace(suggestion, text="")),)))
    assert "Suggestion: delete line 42." in text
