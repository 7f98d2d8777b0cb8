"""The summary comment and the inline comment: read by people, harmful to nobody, and short enough."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.any_result import RESULTS
from support.data import shared
from support.memory_platform import REF
from support.posting import claim, long_file, reviewed
from support.results import CART, CASES, FINE, HOSTILE, MODEL, finding

from loom.core.errors import ConfigError
from loom.core.finding import Severity, Suggestion
from loom.core.marker import Marker, Seal
from loom.core.result import Notice, Placement, ResultHunk
from loom.core.told import Silence, Told
from loom.engine.comment_text import Manners, body
from loom.outputs.comment import SECTIONS, check_template, render

CASES_DIR = Path(__file__).parents[1] / "cases" / "comment"
WRITE = os.environ.get("LOOM_GOLDEN") == "write"
OURS = re.compile(r"</?details>|</?summary>")
"""The only HTML that we write."""


def link(finding: Any) -> str | None:
    return f"https://forge.invalid/acme/shop/blob/{REF.head_sha}/{finding.path}#L{finding.line}"


def told(name: str = "findings", **changes: Any) -> Told:
    review = replace(CASES[name], change=REF)
    review = replace(
        review,
        placements=tuple(
            Placement(
                f.fingerprint, "inline" if n < 2 else "summary", None if n < 2 else "over the limit of 2 comments"
            )
            for n, f in enumerate(review.findings)
        ),
    )
    values: dict[str, Any] = {
        "result": review,
        "fixed": (claim(7),),
        "since": "3" * 40,
        "silenced": (Silence(fingerprint="9" * 16, who="ada", how="ignore", reason="it is test data"),),
        "unheard": 1,
        "link": link,
        "commands": (("/loom review", "review again"), ("/loom ignore FINGERPRINT reason", "never say this again")),
    }
    return Told(**values | changes)


def everywhere(text: str) -> Told:
    """The text in every place that a change, a model, a linter or a person can write."""
    hunk = ResultHunk(old_start=42, new_start=42, section=text, lines=tuple(("+", line) for line in text.split("\n")))
    said = finding(
        title=text, message=text, path=text, rule=text, pipeline=text, sources=(text,), rule_url=text,
        suggestion=Suggestion(42, 42, text, committable=False),
    )  # fmt: skip
    review = reviewed(
        said, replace(said, title="", fingerprint="e" * 16),
        files=(replace(CART, path=text, old_path=text, hunks=(hunk,)), replace(CART, reviewed=False, reason=text)),
        pipelines=(replace(MODEL, name=text, model=text, summary=text, status="partial", reason=text, hint=text,
                           not_reviewed=(text,)),),
        warnings=(Notice("x", text, text, text),), errors=(Notice("x", text, text, text), Notice("unread", text)),
        outcome=replace(FINE, complete=False), placements=(Placement(said.fingerprint, "summary", text),),
    )  # fmt: skip
    quiet = (Silence(fingerprint="9" * 16, who=text, how="ignore", reason=text),
             Silence(fingerprint="e" * 16, who=text, how="resolved", reason=text))  # fmt: skip
    return Told(result=review, fixed=(said,), silenced=quiet, commands=((text, text),))


def inline(text: str) -> str:
    said = finding(
        title=text, message=text, rule=text, rule_url=text, pipeline=text, sources=(text,),
        suggestion=Suggestion(42, 42, text, committable=False),
    )  # fmt: skip
    return body(said, Manners(), limit=60_000, shown=True, replaced=text.split("\n"))


def markup_of(text: str) -> str:
    """Everything in the rendered page that is markup, not text or code."""
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
    inner = [child for token in tokens for child in (token.children or [token])]
    links = [str(t.attrs) for t in inner if t.type in ("link_open", "image")]
    return "\n".join([*links, *(t.content for t in inner if t.type in ("html_inline", "html_block"))])


# ---- what people read


@pytest.mark.parametrize("name", ["clean", "findings", "incomplete", "empty", "hostile"])
def test_the_summary_reads_as_written_down(name: str) -> None:
    text = render(told(name) if name == "findings" else Told(result=CASES[name]), 60_000).body + "\n"
    expected = CASES_DIR / f"{name}.md"
    if WRITE:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_an_inline_comment_reads_as_written_down() -> None:
    expected = CASES_DIR / "inline.md"
    fact = CASES["findings"].findings[2]
    text = body(fact, Manners(), limit=4_000, span=True, shown=True, replaced=("    if rate is 0:", "        return 1"))
    assert text + "\n" == expected.read_text(encoding="utf-8")


def test_the_verdict_comes_first_and_an_incomplete_review_is_loud() -> None:
    text = render(Told(result=CASES["incomplete"]), 60_000).body
    assert text.startswith("## Loom: 🌓 Reviewed in part")
    assert text.index("Not everything was reviewed") < text.index("| where |")


def test_the_whole_text_of_a_finding_without_a_comment_of_its_own_is_there() -> None:
    text = render(told(), 60_000).body
    assert "Two refunds of one order can now run at the same time." in text  # summary only
    assert "Revoke it at the place that issued it" not in text  # its own comment tells


def test_groups_stand_in_the_order_of_their_worst_finding() -> None:
    text = render(told(), 60_000, group_by="file").body
    heads = re.findall(r"^\*\*`([^`]+)`\*\*$", text, re.MULTILINE)
    assert heads == ["deploy/settings.py", "src/cart.py", "src/legacy.py", "docs/install.md"]


def test_where_nothing_folds_there_is_no_html() -> None:
    text = render(told(details=False), 60_000).body
    assert "<" not in re.sub(r"&lt;|`[^`]*`", "", text)
    assert "**Changed files: 5 (+817 -794)**" in text


# ---- the digest


def test_time_and_cost_are_no_reason_to_write_again_and_findings_are() -> None:
    first = told()
    slow = replace(
        first.result,
        timings_ms={"total": 9_999_999},
        usage=replace(first.result.usage, cost_usd=99.0),
        pipelines=tuple(replace(p, duration_ms=1, cost_usd=1.0, cache_hits=9) for p in first.result.pipelines),
    )
    assert render(replace(first, result=slow), 60_000).digest == render(first, 60_000).digest
    assert render(replace(first, result=slow), 60_000).body != render(first, 60_000).body
    fewer = replace(first.result, findings=first.result.findings[1:])
    assert render(replace(first, result=fewer), 60_000).digest != render(first, 60_000).digest
    assert render(first, 3_000).digest == render(first, 60_000).digest


# ---- the size


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(RESULTS, st.integers(2_000, 9_000), st.booleans())
def test_it_fits_whatever_the_room(review: Any, room: int, details: bool) -> None:
    text = render(Told(result=review, details=details), room).body
    assert len(text) <= room
    assert text.startswith("## Loom: ")


@pytest.mark.parametrize("room", [2_000, 5_000, 30_000, 60_000])
def test_what_is_cut_is_counted(room: int) -> None:
    files = tuple(long_file(f"src/m{n}.py", 2) for n in range(3_000))
    review = reviewed(*(claim(n, path=f"src/m{n}.py", message="word " * 80) for n in range(1, 1_001)), files=files)
    text = render(Told(result=review, link=link), room).body
    assert len(text) <= room
    assert "1,000 warnings" in text.split("\n")[0]
    rows = len(re.findall(r"^\| ⚠️ warning", text, re.MULTILINE))
    [more] = re.findall(r"\*([\d,]+) more findings? in the result file\*", text)
    assert rows + int(more.replace(",", "")) == 1_000


# ---- nobody is harmed


def test_no_hostile_vector_gets_through() -> None:
    everything = json.loads(shared("data", "hostile", "hostile-output.json").read_bytes())
    vectors = [v for v in everything if v["channel"] in ("comment", "suggestion") and not v["id"].startswith("secret-")]
    assert len(vectors) > 5  # the secret ones are masked before a result exists
    for vector in vectors:
        for text in (render(everywhere(vector["input"]), 60_000).body, inline(vector["input"])):
            prose = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$|(`+)[^`]+\2", "", text)
            for pattern in vector["must_not_match"]:
                subject = text if pattern.startswith(("(?m)^", "^", "[")) else prose
                assert not re.search(pattern, subject), (vector["id"], pattern)


@settings(deadline=None, max_examples=150)
@given(st.text() | st.lists(st.sampled_from(["<img src=x>", "[a](https://evil.invalid)", "![x](//e.invalid)", "```",
       "`", "|", "\n", "</details>", "@octo", "https://evil.invalid", "\\", "<!-- loom:1:s:x -->", "-->", " ", "a"]),
       max_size=12).map("".join))  # fmt: skip
def test_whatever_is_said_is_text_and_never_markup(text: str) -> None:
    for page in (render(everywhere(text), 60_000).body, inline(text)):
        markup = OURS.sub("", markup_of(page))
        assert "<" not in markup
        assert "'href'" not in markup
        assert "'src'" not in markup


def test_no_text_of_a_change_can_be_taken_for_our_marker() -> None:
    seal = Seal(repo="acme/shop", number=12)
    forged = f"<!-- {seal.write(Marker(kind='summary', head='f' * 40))} -->"
    page = render(everywhere(forged), 60_000).body
    ours = f"<!-- {seal.write(Marker(kind='summary', head='a' * 40))} -->"
    read = seal.read(f"{page}\n\n{ours}", by_self=True)
    assert read is not None
    assert read.head == "a" * 40
    assert seal.read(inline("x\n" + forged).split("```")[0], by_self=True) is None


def test_a_link_goes_to_our_lines_and_cannot_be_broken_out_of() -> None:
    odd = finding(path="a)b|c`d.py", severity=Severity.WARNING)
    text = render(Told(result=reviewed(odd), link=link), 60_000).body
    assert "](https://forge.invalid/acme/shop/blob/" in text
    assert "a%29b%7Cc%60d.py#L42)" in text


def test_the_hostile_result_mentions_nobody() -> None:
    for page in (render(everywhere(HOSTILE), 60_000).body, inline(HOSTILE)):
        tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(page)
        prose = [child.content for t in tokens for child in t.children or () if child.type == "text"]
        assert not any("@octo" in text or "#1" in text for text in prose)
        assert not re.search(r"(?m)^/approve", page)


# ---- templates


def test_a_template_puts_the_sections_in_its_own_order() -> None:
    text = render(told(), 60_000, template="# Our bot\n\n{{ counts }}\n\n{{verdict}}\n\n\\{{verdict}}").body
    assert text.startswith("# Our bot\n\n**5 new**")
    assert text.endswith("{{verdict}}")
    assert text.index("5 new") < text.index("## Loom: 🛑")


def test_a_template_is_shortened_until_it_fits() -> None:
    everything = "\n\n".join(f"{{{{{name}}}}}" for name in SECTIONS)
    assert len(render(told(), 4_000, template=everything).body) <= 4_000


def test_braces_in_a_value_stay_text() -> None:
    hostile = reviewed(finding(title="{{figures}}"))
    assert "{{figures}}" in render(Told(result=hostile), 60_000, template="{{findings}}").body


def test_an_unknown_name_in_a_template_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        check_template("# Hi\n\n{{verdikt}}", ".loom/summary.md")
    assert str(caught.value).startswith('.loom/summary.md:3:1: unknown name "verdikt". Did you mean "verdict"?')
    check_template("{{verdict}} \\{{anything}}", ".loom/summary.md")
