"""infra.regex: RE2 with offsets in characters, and errors that say what to write instead."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.infra import regex


def test_offsets_count_characters_not_bytes() -> None:
    found = regex.compile(r"é(?P<bs>b+)").search("aé ✓ éébb")
    assert found is not None
    assert (found.span(), found.span("bs"), found.group("bs")) == ((6, 9), (7, 9), "bb")


def test_a_lone_surrogate_neither_fails_nor_shifts_offsets() -> None:
    found = regex.compile("x+").search("\udc80\ud800é xx")
    assert found is not None
    assert found.span() == (4, 6)


def test_named_and_numbered_groups_that_took_no_part_are_none() -> None:
    found = regex.compile(r"(?P<file>\w+):(?P<line>\d+)(?::(\d+))?").fullmatch("app:12")
    assert found is not None
    assert found.groupdict() == {"file": "app", "line": "12"}
    assert (found.group(3), found.span(3)) == (None, (-1, -1))
    with pytest.raises(IndexError, match='no group "column"'):
        found.group("column")


def test_match_is_at_the_start_and_fullmatch_is_the_whole() -> None:
    pattern = regex.compile("ab")
    assert pattern.match("abc") is not None
    assert pattern.match("xab") is None
    assert pattern.fullmatch("abc") is None


def test_finditer_gives_matches_left_to_right() -> None:
    assert [m.span() for m in regex.compile(r"\d+").finditer("1 é22 333")] == [(0, 1), (3, 5), (6, 9)]


def test_case_is_ignored_on_request() -> None:
    assert regex.compile("straße", ignore_case=True).search("STRAßE") is not None
    assert regex.compile("a").search("A") is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"foo(?=bar)", "RE2, which runs every pattern in linear time, has no look-ahead (?=…) or (?!…)"),
        (r"(?<!a)b", "RE2, which runs every pattern in linear time, has no look-behind (?<=…) or (?<!…)"),
        (r"(a)\1", r"RE2, which runs every pattern in linear time, has no back-references such as \1"),
        (r"(?P<q>a)(?P=q)", "RE2, which runs every pattern in linear time, has no back-references (?P=name)"),
        (r"a\Z", r"RE2, which runs every pattern in linear time, has no \Z (write \z)"),
        (r"(?>a)", "RE2, which runs every pattern in linear time, has no atomic groups (?>…)"),
        ("a++", "RE2, which runs every pattern in linear time, has no possessive quantifiers such as a++"),
        ("(a", "missing ): (a"),
        ("a{2000}", "invalid repetition size: {2000}"),
        ("[z-a]", "invalid character class range: z-a"),
        ("\udc80", "the pattern holds a character that is not valid Unicode"),
        ("a" * 10_001, "the pattern has 10,001 characters; at most 10,000 are allowed"),
    ],
)
def test_a_pattern_that_cannot_run_says_why(pattern: str, said: str) -> None:
    with pytest.raises(regex.RegexError) as caught:
        regex.compile(pattern)
    assert str(caught.value) == said


def test_re2_writes_nothing_to_stderr_itself(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(regex.RegexError):
        regex.compile("(")
    assert capfd.readouterr().err == ""


def test_a_pattern_that_hangs_re_is_answered() -> None:
    assert regex.compile(r"^(a+)+$").search("a" * 100_000 + "!") is None


def test_a_set_says_which_patterns_match() -> None:
    patterns = regex.PatternSet(["gh[ps]_", "é", "^x"])
    assert patterns.matching("y ghp_ é") == {0, 1}
    assert patterns.matching("") == frozenset()


def test_a_set_with_a_broken_pattern_is_refused() -> None:
    with pytest.raises(regex.RegexError):
        regex.PatternSet(["a", "(?=b)"])


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=40, unique=True))
def test_any_of_finds_every_text_literally(texts: list[str]) -> None:
    patterns = list(regex.any_of(texts, room=200))
    for text in texts:
        assert any(pattern.search(f"\n{text}\n") for pattern in patterns)


def test_re2_is_imported_on_use_only() -> None:
    program = "import sys, loom.infra.regex, loom.infra.secrets, loom.infra.text; assert 're2' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
