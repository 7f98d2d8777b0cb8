"""infra.text: whatever goes in, what comes out does no harm where it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich
from support.data import shared

from loom.infra import text
from loom.infra.secrets import Masker

RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOST = frozenset({"git.example.org"})


def github(value: str) -> str:
    return text.to_comment(value, link_hosts=HOST)


def gitlab(value: str) -> str:
    return text.to_comment(value, gitlab=True, limit=1000)


def short(value: str) -> str:
    return text.one_line(value, 30)


IDEMPOTENT: list[Callable[[str], str]] = [text.visible, text.to_terminal, text.to_log, short, github, gitlab]
BY_CHANNEL: dict[str, Callable[[str], str]] = {
    "comment": github,
    "log": text.to_log,
    "html": text.to_html,
    "prompt": text.visible,
    "suggestion": lambda value: text.code_fence(value, "suggestion"),
}

# Made of what the functions look for, so that hypothesis finds combinations that plain text never has.
PIECES = st.sampled_from(
    [
        *(
            "`",
            "``",
            "```",
            "~~~",
            "\n",
            "\r",
            " ",
            "    ",
            "\t",
            "<",
            ">",
            "&",
            "&lt;",
            "&#64;",
            "\\",
            "|",
            "---",
            "|-|",
        ),
        *(
            "[a]",
            "(",
            ")",
            "![",
            "](",
            "]:",
            "https://",
            "https://git.example.org",
            "/x",
            "www.e.org",
            "mailto:a@b",
            "@bob",
        ),
        *(
            "#1",
            "GH-2",
            "!3",
            "%4",
            "~x",
            "/merge",
            "- ",
            "> ",
            "::error::",
            "##[",
            "##vso[",
            "loom| ",
            "suggestion",
            "<b>",
        ),
        *(
            "\u202e",
            "\u200b",
            "\u200d",
            "\ufe0f",
            "\U0001f600",
            "\U0001f3f4",
            "\U000e0067",
            "\U000e007f",
            "1",
            "\ufe0f\u20e3",
        ),
        *("\x1b[31m", "\x00", "\x9b", "\u2028", "\udc80", "é", "a", "…", "<img src=x>"),
    ]
)
HOSTILE = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join))


def vectors() -> list[Any]:
    return json.loads(shared("data", "hostile", "hostile-output.json").read_text())


def naughty() -> list[str]:
    return json.loads(shared("data", "hostile", "blns", "blns.json").read_text())


def test_no_hostile_output_reaches_its_channel() -> None:
    masker = Masker(["sk-FAKE-EXAMPLE-" + "0123456789abcdef"])
    looked_at = 0
    for vector in vectors():
        show = BY_CHANNEL.get(vector["channel"])
        if show is None:  # sarif: outputs.sarif has its own
            continue
        shown = show(masker.mask(vector["input"]))
        looked_at += 1
        for pattern in vector["must_not_match"]:
            assert not re.search(pattern, shown), (vector["id"], shown)
        for pattern in vector["must_match"]:
            assert re.search(pattern, shown), (vector["id"], shown)
    assert looked_at >= 25


@pytest.mark.parametrize("show", IDEMPOTENT)
def test_naughty_strings_come_out_the_same_twice(show: Callable[[str], str]) -> None:
    for value in naughty():
        assert show(show(value)) == show(value)


@pytest.mark.parametrize("show", IDEMPOTENT)
@given(value=HOSTILE)
@example(value="`a`https://e ``<b>``")
@example(value="\\WWW.0")
@example(value="A0://\U000e0000")
def test_twice_is_once(show: Callable[[str], str], value: str) -> None:
    once = show(value)
    assert show(once) == once


@given(HOSTILE)
def test_a_terminal_gets_no_control_and_no_invisible_character(value: str) -> None:
    shown = text.to_terminal(value)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\ud800-\udfff]", shown)
    assert "##[" not in shown
    assert "##vso[" not in shown


@given(HOSTILE)
def test_every_log_line_has_the_prefix(value: str) -> None:
    assert all(line.startswith("loom| ") for line in text.to_log(value).split("\n"))


@given(HOSTILE, st.integers(1, 40))
def test_one_line_is_one_line_within_its_limit(value: str, limit: int) -> None:
    shown = text.one_line(value, limit)
    assert len(shown) <= limit
    assert "\n" not in shown
    assert text.one_line(shown, limit) == shown


def test_log_lines_show_what_would_steer_a_runner() -> None:
    hostile = "ok\r::error file=a::x\n  ::warning::y\n##[group]z\n\x1b[2K"
    assert text.to_log(hostile, prefix="> ") == (
        "> ok\\x0d::error file=a::x\n>   : :warning::y\n> ## [group]z\n> \\x1b[2K"
    )


def test_emoji_stay_whole_and_smuggled_characters_do_not() -> None:
    family, flag, keycap = (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        "1\ufe0f\u20e3",
    )
    assert text.visible(f"{family} {flag} {keycap} ❤\ufe0f") == f"{family} {flag} {keycap} ❤\ufe0f"
    assert text.visible("a\u200db\ufe0f\U000e0041") == "a<U+200D>b<U+FE0F><U+E0041>"


def test_prompts_keep_line_ends_and_show_carriage_returns_inside_lines() -> None:
    assert text.visible("a\r\nb\rc\td\x00") == "a\r\nb<U+000D>c\td<U+0000>"


def test_a_byte_that_is_no_utf8_is_shown_as_one() -> None:
    assert text.visible("caf\udce9") == "caf\\xe9"


def test_prose_and_code_of_a_comment_stay_readable() -> None:
    comment = """Use `a < b && c` here, as in **bold** and:

```py
if x < 3:
    return "@decorated"  # #1
```
- a list, see https://git.example.org/o/r/issues/1
"""
    assert github(comment) == comment


def test_what_acts_on_readers_of_a_comment_is_taken_apart() -> None:
    comment = """<b>Hi</b> @bob, see #12, GH-3 and ![x](https://e.invalid/a.png)
[click](https://e.invalid) or [docs](https://git.example.org/d) or www.e.invalid
[ref]: https://e.invalid
&#64;bob \\@bob
/merge"""
    assert github(comment) == (
        "&lt;b>Hi&lt;/b> @&#8203;bob, see #&#8203;12, GH-&#8203;3 and !\\[x\\](`https://e.invalid/a.png`)\n"
        "[click\\](`https://e.invalid`) or [docs](https://git.example.org/d) or `www.e.invalid`\n"
        "[ref\\]: `https://e.invalid`\n"
        "&amp;#&#8203;64;bob @&#8203;bob\n"
        "\\/merge"
    )


def test_only_our_own_suggestions_can_be_committed() -> None:
    assert github("```suggestion:-0+2\nevil\n```") == "```\nevil\n```"
    assert github("~~~mermaid\nx\n~~~") == "~~~\nx\n~~~"


def test_a_fence_that_is_never_closed_ends_with_the_text() -> None:
    assert github("a\n  ```py\n  x = `1`\n/merge") == "a\n```py\nx = `1`\n\\/merge\n```"


def test_a_fence_inside_a_quote_or_list_is_no_place_for_raw_html() -> None:
    for comment in ("> ```\n> <img src=x>\n> ```\n<img src=x>", "- ~~~ `\n  <img src=x>\n  ~~~\n<img src=x>"):
        outside = [part for n, part in enumerate(re.split(r"(?m)^(?:```|~~~)$", github(comment))) if n % 2 == 0]
        assert all("<img" not in part for part in outside)


def test_inline_code_is_none_where_a_table_would_cut_it() -> None:
    table = "| ` | <img src=x> | ` |\n|---|---|---|"
    assert "<img" not in github(table)
    assert github("`a || b`") == "`a || b`"


@given(HOSTILE)
@example(value="~~~ a`b\n<img src=x>\n~~~\n<img src=x>")
@example(value="``a``https://e `<img src=x>`")
@example(value="a ` b\n`<img src=x>` `")
def test_a_renderer_sees_no_markup_image_or_foreign_link(value: str) -> None:
    rendered = RENDERER.parse(github(value))
    inside = [child for token in rendered for child in (token, *(token.children or ()))]
    assert not any(token.type in ("html_inline", "html_block", "image") for token in inside), github(value)
    links = [str(token.attrGet("href")) for token in inside if token.type == "link_open"]
    assert all(link.startswith("https://git.example.org/") for link in links), github(value)
    assert not any(token.type == "fence" and token.info.startswith(("suggestion", "mermaid")) for token in rendered)


def test_a_host_cannot_be_extended_after_the_check() -> None:
    assert github("https://git.example.org'.evil.invalid") == "`https://git.example.org`'.evil.invalid"
    assert github("https://git.example.org@evil.invalid/") == "`https://git.example.org@evil.invalid/`"
    assert github("https://git.example.org.evil.invalid/") == "`https://git.example.org.evil.invalid/`"


def test_gitlab_references_are_broken_on_gitlab_only() -> None:
    assert gitlab("$1 %2 ~bug") == "$&#8203;1 %&#8203;2 ~&#8203;bug"
    assert github("$1 %2 ~bug") == "$1 %2 ~bug"


def test_a_comment_that_is_too_long_is_cut_with_a_notice_and_stays_well_formed() -> None:
    shown = text.to_comment("```py\n" + "x = 1\n" * 20_000)
    assert len(shown) <= 60_000
    assert shown.endswith("x = 1\n```\n\n*(cut: too long for a comment)*")


def test_code_cannot_leave_its_fence() -> None:
    assert text.code_fence("a\n````\n/approve\nb", "suggestion") == "`````suggestion\na\n````\n\\/approve\nb\n`````"


@given(HOSTILE)
def test_html_has_no_markup_of_its_own(value: str) -> None:
    assert not re.search("[<>\"']", text.to_html(value))
