"""The HTML report: one page that needs nothing from outside, shows everything, and in which nobody else's text acts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.any_result import RESULTS
from support.data import ROOT, shared
from support.results import CART, CASES, FINE, LOCK, MODEL, SETTINGS, finding, result

from loom.core.finding import Severity, SourceRule, Suggestion
from loom.core.result import Dropped, Notice, Placement, ResultHunk, ReviewResult
from loom.outputs import summary
from loom.outputs.base import Look
from loom.outputs.html import render
from loom.outputs.report import view
from loom.outputs.report.lines import BLOCK, LONGEST

VOID = {"meta", "br", "input", "use", "path", "rect"}
PARTS = ROOT / "src" / "loom" / "outputs" / "report"


@dataclass
class Page(HTMLParser):
    """What a page holds. Fails on tags that do not close in order."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, html: str) -> Page:
        page = cls()
        HTMLParser.__init__(page)
        page.feed(html)
        page.close()
        assert page.open == []
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.pieces.append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [a for name, a in self.tags if name == tag and attributes.items() <= a.items()]

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def cards(self) -> list[dict[str, str | None]]:
        return self.all("article")


def shown(of: ReviewResult) -> str:
    return render(of, Look())


def assert_inert(html: str) -> Page:
    """Nothing in the page acts but its own script, and nothing is fetched."""
    page = Page.of(html)
    assert len(page.all("script")) == 1
    assert page.all("script") == [{}]
    assert len(page.all("style")) == 1
    for tag, attributes in page.tags:
        assert tag not in (
            "img",
            "iframe",
            "object",
            "embed",
            "link",
            "base",
            "video",
            "audio",
            "image",
            "foreignobject",
        )
        assert not [
            name for name in attributes if name.startswith("on") or name in ("style", "src", "srcset", "action")
        ]
        for name in ("href", "xlink:href"):
            if (target := attributes.get(name)) is not None:
                assert re.match(r"https?://[^\s\"'<>]+\Z|#[\w-]+\Z", target), target
                assert target.startswith("#") or attributes["rel"] == "noopener noreferrer nofollow"
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    return page


def everywhere(text: str) -> ReviewResult:
    hunk = ResultHunk(old_start=42, new_start=42, section=text, lines=tuple(("+", line) for line in text.split("\n")))
    said = finding(
        title=text, message=text, path=text, rule=text, rule_url=text, quote=text, pipeline=text, sources=(text,),
        end_line=99, fingerprint=text, suggestion=Suggestion(42, 42, text, committable=True),
        also=(SourceRule(text, text, text),),
    )  # fmt: skip
    return result(
        tool_version=text, config_hash=text, shard=text,
        files=(replace(CART, path=text, old_path=text, hunks=(hunk,)), replace(CART, reviewed=False, reason=text)),
        findings=(said, replace(said, title="", line=None), replace(said, path="elsewhere")),
        pipelines=(replace(MODEL, name=text, model=text, summary=text, status="partial", reason=text, hint=text,
                           not_reviewed=(text,) * 9),),
        change=replace(CASES["skipped"].change, title=text, url=text, merge_base=text, head_sha=text),
        warnings=(Notice("x", text, text, text),), errors=(Notice("x", text, text, text),),
        dropped=(Dropped("filter", {"path": text, "title": text, "pipeline": text, "line": text}),),
        placements=(Placement(text, "inline"),),
        outcome=replace(FINE, complete=False),
    )  # fmt: skip


# ---- nobody else's text acts


@pytest.mark.parametrize("case", CASES)
def test_nothing_but_the_pages_own_script_acts(case: str) -> None:
    assert_inert(shown(CASES[case]))


def test_the_policy_allows_exactly_the_style_and_the_script_of_the_page() -> None:
    html = shown(CASES["findings"])
    policy = Page.of(html).all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]

    def hash_of(tag: str) -> str:
        inner = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        assert inner
        return f"'sha256-{base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; style-src {hash_of('style')}; script-src {hash_of('script')}; "
        "base-uri 'none'; form-action 'none'"
    )
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_no_hostile_vector_and_no_naughty_string_becomes_markup() -> None:
    vectors = [v["input"] for v in json.loads(shared("data", "hostile", "hostile-output.json").read_bytes())]
    naughty = json.loads(shared("data", "hostile", "blns", "blns.json").read_bytes())
    for text in [*vectors, *naughty]:
        html = shown(everywhere(text))
        assert_inert(html)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x0b-\x1f\x7f-\x9f]", html), text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RESULTS)
def test_any_result_gives_a_page_with_every_finding_once(any_result: ReviewResult) -> None:
    html = shown(any_result)
    page = assert_inert(html)
    assert len(page.cards) == len(any_result.findings)
    assert len(page.all("details", **{"class": "dropped"})) == bool(any_result.dropped)
    assert shown(any_result) == html


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from("<>&\"'`*_[]()#-! \n\t\r\\/:.hjtpsx1\u202e\x1b\ud800\u200d😀"), max_size=80))
def test_any_text_in_any_place_stays_text(text: str) -> None:
    assert_inert(shown(everywhere(text)))


def test_text_is_escaped_once() -> None:
    html = shown(result(findings=(finding(title="a < b && c", message='say "<b>" &amp; go', path="a&b<c>.py"),)))
    text = Page.of(html).text
    assert "a < b && c" in text
    assert 'say "<b>" &amp; go' in text
    assert "a&b<c>.py" in text
    assert "&amp;lt;" not in html


def test_the_template_uses_nothing_that_would_go_round_the_exit() -> None:
    source = (PARTS / "page.html").read_text("utf-8")
    expressions = re.findall(r"{[{%](.*?)[%}]}", source)
    assert not [e for e in expressions if re.search(r"\bsafe\b|~|\bescape\b|\|\s*e\b|autoescape|\bformat\b", e)]
    assert not re.search(r"=\s*{{", source), "an attribute without quotation marks"


def test_a_command_to_paste_is_shown_for_real_fingerprints_only() -> None:
    html = shown(result(findings=(finding(), finding(fingerprint="$(rm -rf ~)"))))
    assert re.findall(r"<code>(loom ignore [^<]*)</code>", html) == ["loom ignore a1b2c3d4e5f60718"]
    assert [card["id"] for card in Page.of(html).cards] == ["a1b2c3d4e5f60718", "finding-2"]


def test_two_findings_with_one_fingerprint_keep_two_places() -> None:
    page = Page.of(shown(result(findings=(finding(), finding(title="another")))))
    assert [card["id"] for card in page.cards] == ["a1b2c3d4e5f60718", "finding-2"]


# ---- what the page shows


def test_a_finding_stands_below_its_last_line_and_its_lines_are_marked() -> None:
    html = shown(CASES["findings"])
    lines = Page.of(html)
    assert {a["data-n"] for a in lines.all("ins", **{"class": "on blocker"})} == {"42", "3"}
    assert {a["data-n"] for a in lines.all("ins", **{"class": "on warning"})} == {"43", "44"}
    assert lines.all("del", **{"class": "on warning"}) == [{"class": "on warning", "data-o": "2"}]
    assert html.index('data-n="44"') < html.index(' id="77aa01c2d3e4f586"') < html.index('data-o="43"')


@pytest.mark.parametrize("case", CASES)
def test_everything_that_the_result_tells_is_on_the_page(case: str) -> None:
    of = CASES[case]
    text = " ".join(Page.of(shown(of)).text.split())
    told = [f.path for f in of.files] + [p.name for p in of.pipelines] + [summary.spent(of), summary.verdict(of).text]
    told += [gap.reason for gap in summary.gaps(of)] + [gap.hint for gap in summary.gaps(of)]
    told += [n.message for n in (*of.errors, *of.warnings)] + [summary.dropped(of), summary.masked(of)]
    told += [name for f in of.findings for name in (f.title, f.category, f.rule or "", *(a.rule for a in f.also))]
    if case != "hostile":  # whose texts are cut and written out
        for words in told:
            assert " ".join(words.replace("`", "").split()) in text, words


def test_every_line_of_the_diff_is_there() -> None:
    html = shown(CASES["findings"])
    text = Page.of(html).text
    for file in CASES["findings"].files:
        for hunk in file.hunks:
            for _, line in hunk.lines:
                assert line in text


def test_without_a_diff_findings_show_the_code_they_quote() -> None:
    bare = replace(CASES["findings"], files=tuple(replace(f, hunks=()) for f in CASES["findings"].files))
    html = shown(bare)
    page = assert_inert(html)
    assert "The result file does not hold the diff (--no-diff)" in page.text
    assert '<span class="on blocker" data-n="42">rate = DISCOUNTS[code]\n</span>' in html
    assert len(page.cards) == 6
    assert len(page.all("div", role="region")) == 1  # the table of pipelines


def test_a_finding_about_a_file_outside_the_change_has_its_place() -> None:
    text = Page.of(shown(CASES["findings"])).text
    outside = text[text.rindex("docs/install.md") :]
    assert "Not part of the change." in outside
    assert "The manual still names settings.py" in outside


def test_a_file_that_nobody_reviewed_is_folded_and_says_why() -> None:
    hunk = CART.hunks
    page = Page.of(shown(result(files=(CART, replace(LOCK, hunks=hunk)))))
    files = [a for a in page.all("details") if "data-f" in a]
    assert ["open" in a for a in files] == [True, False]
    assert "not reviewed: a lock file" in page.text
    named = Page.of(shown(result(files=(replace(LOCK, hunks=hunk),), findings=(finding(path=LOCK.path),))))
    assert all("open" in a for a in named.all("details") if "data-f" in a)


def test_a_suggestion_shows_what_it_replaces_and_whether_it_is_proved() -> None:
    html = shown(CASES["findings"])
    assert "<del>    rate = DISCOUNTS[code]\n</del><ins>    rate = DISCOUNTS.get(code, 0)\n</ins>" in html
    assert "Suggestion for lines 43-44, not proved to apply: read it first" in Page.of(html).text
    gone = result(findings=(finding(suggestion=Suggestion(42, 43, "", committable=True)),))
    assert "Delete them." in Page.of(shown(gone)).text
    far = result(findings=(finding(suggestion=Suggestion(42, 10**9, "x", committable=False)),))
    assert "<ins>x\n</ins>" in shown(far)


def test_the_words_of_other_tools_about_the_same_fact_are_kept() -> None:
    said = finding(also=(SourceRule("linter/eslint", "no-eval", "https://eslint.org/docs/rules/no-eval"),))
    html = shown(result(findings=(said,)))
    assert 'linter/eslint: <a href="https://eslint.org/docs/rules/no-eval"' in html


def test_a_long_line_is_cut_and_says_so() -> None:
    hunk = ResultHunk(old_start=1, new_start=1, section="", lines=(("+", "x" * 5_000),))
    assert f"… ({5_000 - LONGEST:,} characters more)" in shown(result(files=(replace(CART, hunks=(hunk,)),)))


def test_a_line_end_inside_a_line_does_not_shift_the_others() -> None:
    hunk = ResultHunk(old_start=1, new_start=1, section="", lines=(("+", "a\nb"), ("+", "c")))
    html = shown(result(files=(replace(CART, hunks=(hunk,)),)))
    assert '<ins data-n="1">a b\n</ins><ins data-n="2">c\n</ins>' in html


def test_emoji_stay_whole_and_odd_characters_are_written_out() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    html = shown(result(findings=(finding(title=f"{family} a\u202eb"),)))
    assert f"{family} a&lt;U+202E&gt;b" in html


# ---- large reviews


def large(files: int, lines: int, findings: int) -> ReviewResult:
    body = tuple(((" ", "+", "-")[n % 3], f"    value_{n} = compute(rate, label='item {n}')") for n in range(lines))
    hunk = ResultHunk(old_start=1, new_start=1, section="def f():", lines=body)  # type: ignore[arg-type]  # kinds of lines
    found = [
        finding(
            fingerprint=f"{n:016x}",
            path=f"src/module_{n % files:03}.py",
            line=1 + n % (lines // 2),
            end_line=1 + n % (lines // 2),
            severity=tuple(Severity)[n % 3],
            message="A code that is not in the table ends the checkout with a `KeyError`. " * 4,
            suggestion=Suggestion(1, 1, "    rate = RATES.get(code, 0)", committable=True),
        )
        for n in range(findings)
    ]
    return result(
        files=tuple(replace(CART, path=f"src/module_{n:03}.py", hunks=(hunk,)) for n in range(files)),
        findings=tuple(found),
    )


def test_five_hundred_findings_take_at_most_a_megabyte_beside_the_diff() -> None:
    with_findings, without = shown(large(100, 30, 500)), shown(large(100, 30, 0))
    assert len(with_findings.encode()) - len(without.encode()) <= 1_000_000
    assert len(Page.of(with_findings).cards) == 500


def test_a_large_diff_is_laid_out_in_blocks() -> None:
    html = shown(large(2, 10_000, 4))
    page = Page.of(html)
    assert "large" in (page.all("body")[0].get("class") or "")
    assert len(page.all("pre", **{"class": "lines full"})) >= 2 * (10_000 // BLOCK) - 8
    assert len(page.all("ins")) > 6_000
    assert "class" not in Page.of(shown(CASES["findings"])).all("body")[0]


def test_what_does_not_fit_on_a_page_is_said_and_its_findings_stay() -> None:
    of = large(4, 20_000, 0)
    far = replace(of, findings=tuple(finding(path=f"src/module_{n:03}.py", line=9_000, end_line=9_000, quote=None,
                                             fingerprint=f"{n:016x}") for n in (3, 0)))  # fmt: skip
    for case, cards in ((of, 0), (far, 2)):
        page = Page.of(shown(case))
        assert len(page.cards) == cards
        assert len(page.all("ins")) + len(page.all("del")) <= view.MOST_LINES
        assert page.text.count("only the lines around findings are shown") == 1
    huge = replace(
        far, files=tuple(replace(f, hunks=(replace(f.hunks[0], lines=f.hunks[0].lines * 4),)) for f in far.files)
    )
    page = Page.of(shown(huge))
    assert len(page.cards) == 2
    assert len(page.all("ins", **{"class": "on warning"})) + len(page.all("span", **{"class": "on warning"})) == 2
    assert "lines not shown here" in page.text


def test_the_settings_file_moves_with_its_old_name() -> None:
    assert "was settings.py" in Page.of(shown(result(files=(SETTINGS,)))).text


def test_the_template_engine_is_loaded_when_a_page_is_made_and_not_before() -> None:
    code = "import sys, loom.outputs.html, loom.cli.report_cmd; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_timeline_has_every_step_and_pipeline_that_took_time() -> None:
    page = Page.of(shown(CASES["clean"]))
    bars = [(int(a["x"] or 0), int(a["width"] or 0)) for a in page.all("rect")]
    assert len(bars) == 4 + 3  # publishing took none
    assert all(x >= 0 and x + width <= 1_000 + 4 and width >= 4 for x, width in bars)
    starts = [x for x, _ in bars]
    assert starts[:4] == sorted(starts[:4])
    assert set(starts[4:]) == {starts[3]}  # pipelines start with the step


def test_where_a_finding_was_posted_is_said() -> None:
    of = result(findings=(finding(),), placements=(Placement("a1b2c3d4e5f60718", "summary"),))
    assert "posted: summary" in Page.of(shown(of)).text
