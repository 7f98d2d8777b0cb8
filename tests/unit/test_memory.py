"""`.loom/memory.yaml`: read strictly, extended without touching what people wrote."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.core.errors import ConfigError
from loom.core.finding import Severity
from loom.store.memory import MAX_TEXT, Suppression, read
from loom.store.memory_edit import MemoryEditError, added, entry

FILE = ".loom/memory.yaml"
PRINT = "0123456789abcdef"
NEW = Suppression(
    source="personal",
    where="loom ignore",
    fingerprint="fedcba9876543210",
    reason='a "test" fixture: \\ #1',
    author="Ada",
    added=date(2026, 11, 21),
    expires=date(2027, 1, 31),
    severity=Severity.WARNING,
    about="src/a.py:3 Use of md5",
)
WHOLE = f"""\
# ours
version: 1
suppressions:
  - fingerprint: "{PRINT}"   # the old one
    reason: legacy
    author: Ada
    added: 2026-01-02
    expires: 2026-12-31
  - rule: S324
    paths: ["tests/**", "!tests/real/**"]
    reason: no secrets in tests
    severity: warning
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(text.encode(), file=FILE)
    return [str(problem) for problem in raised.value.problems]


def test_every_key_is_read() -> None:
    one, two = read(WHOLE.encode(), file=FILE)
    assert (one.fingerprint, one.reason, one.author, one.added, one.expires, one.where) == (
        PRINT,
        "legacy",
        "Ada",
        date(2026, 1, 2),
        date(2026, 12, 31),
        f"{FILE}:4",
    )
    assert (two.rule, two.paths, two.severity) == ("S324", ("tests/**", "!tests/real/**"), Severity.WARNING)


def test_an_entry_holds_through_its_last_day() -> None:
    one = read(WHOLE.encode(), file=FILE)[0]
    assert not one.expired(date(2026, 12, 31))
    assert one.expired(date(2027, 1, 1))


def test_an_empty_file_says_nothing() -> None:
    assert (
        read(b"", file=FILE)
        == read(b"version: 1\n", file=FILE)
        == read(b"version: 1\nsuppressions:\n", file=FILE)
        == ()
    )


def test_all_that_is_wrong_is_told_at_once_with_its_place() -> None:
    text = (
        "version: 2\nsuppression: []\nsuppressions:\n  - rule: S1\n    resaon: x\n  - {fingerprint: 12, reason: y}\n"
        "  - {rule: a, fingerprint: b, reason: z, expires: tomorrow}\n  - {rule: a, reason: '', severity: blocking}\n"
        "  - {rule: a, reason: r, paths: tests, added: 2026-02-30}\n  - text\n"
    )
    assert problems(text) == [
        '.loom/memory.yaml:2:1: suppression: unknown key. Did you mean "suppressions"?',
        ".loom/memory.yaml:1:10: version: the version is not one that this Loom reads; expected 1",
        '.loom/memory.yaml:5:5: suppressions[0].resaon: unknown key. Did you mean "reason"?',
        ".loom/memory.yaml:4:5: suppressions[0]: the `reason` is missing: why is this not worth saying?",
        ".loom/memory.yaml:6:19: suppressions[1].fingerprint: expected 16 hex digits, in quotes",
        ".loom/memory.yaml:7:5: suppressions[2]: an entry has one of `fingerprint` and `rule`",
        ".loom/memory.yaml:7:28: suppressions[2].fingerprint: expected 16 hex digits, in quotes",
        ".loom/memory.yaml:7:51: suppressions[2].expires: expected a date such as 2026-12-31",
        ".loom/memory.yaml:8:23: suppressions[3].reason: expected text (in quotes, where YAML would read it as "
        "something else)",
        ".loom/memory.yaml:8:37: suppressions[3].severity: expected one of blocker, warning, info. Did you mean "
        '"blocker"?',
        '.loom/memory.yaml:9:33: suppressions[4].paths: expected a list of globs, such as ["tests/**"]; without it: '
        "everywhere",
        ".loom/memory.yaml:9:47: suppressions[4].added: expected a date such as 2026-12-31",
        ".loom/memory.yaml:10:5: suppressions[5]: expected a mapping with some of fingerprint, rule, paths, reason, "
        "author, added, expires, severity",
    ]


@pytest.mark.parametrize("text", ["[]", "x", "version: 1\nsuppressions: {}", "version: true"])
def test_what_is_no_memory_file_is_refused(text: str) -> None:
    assert problems(text)


def test_thousands_of_entries_are_read_and_more_than_the_limit_is_refused() -> None:
    line = "  - {fingerprint: '%016x', reason: x}\n"
    head = "version: 1\nsuppressions:\n"
    assert len(read((head + "".join(line % n for n in range(5_000))).encode(), file=FILE)) == 5_000
    assert "at most 262,144 are allowed" in problems(head + "".join(line % n for n in range(10_000)))[0]


def test_the_example_of_the_manual_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "noise.md").read_text("utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert [entry.name for entry in read(example.encode(), file=FILE)] == [PRINT, "S311"]


# -- adding -----------------------------------------------------------------------------------------------------------


def test_a_new_file_says_what_it_is() -> None:
    assert added(None, NEW, file=FILE).decode() == (
        "# What reviews of this repository do not say again (`loom ignore --shared`).\n"
        "version: 1\n"
        "\n"
        "suppressions:\n"
        '  - fingerprint: "fedcba9876543210"  # src/a.py:3 Use of md5\n'
        "    severity: warning\n"
        '    reason: "a \\"test\\" fixture: \\\\ #1"\n'
        '    author: "Ada"\n'
        "    added: 2026-11-21\n"
        "    expires: 2027-01-31\n"
    )


def test_an_entry_is_added_at_the_end_and_nothing_else_changes() -> None:
    text = added(WHOLE.encode(), NEW, file=FILE).decode()
    assert text.startswith(WHOLE)
    assert [s.name for s in read(text.encode(), file=FILE)] == [PRINT, "S324", "fedcba9876543210"]


BEFORE = [
    WHOLE,
    WHOLE.replace("\n", "\r\n"),
    WHOLE.rstrip("\n"),
    "﻿" + WHOLE,
    "version: 1\n",
    "version: 1 # so far",
    "version: 1\nsuppressions: []   # none yet\n# the end\n",
    "version: 1\nsuppressions:\n# none yet\n",
    "suppressions:\n- {rule: a, reason: b}\n# about the version\nversion: 1\n",
    "version: 1\nsuppressions:\n      - rule: a\n        reason: |\n          text\n          # no comment\n\n# bye\n",
    "version: 1\nsuppressions:\n  -\n    rule: a\n    reason: b\n",
    "# only a comment\n",
]


@pytest.mark.parametrize("text", BEFORE)
def test_every_byte_that_was_there_stays_in_its_order(text: str) -> None:
    after = added(text.encode(), NEW, file=FILE)
    mine = after.decode()
    assert read(after, file=FILE)[-1].fingerprint == NEW.fingerprint
    rest = iter(mine)
    assert all(char in rest for char in text.replace("[]   ", "")), "what people wrote is a subsequence of the file"
    assert ("\r\n" in mine) == ("\r\n" in text)


def test_a_list_written_in_brackets_is_left_to_people() -> None:
    text = b"version: 1\nsuppressions: [{rule: a, reason: b}]\n"
    with pytest.raises(MemoryEditError) as raised:
        added(text, NEW, file=FILE)
    assert entry(NEW) in raised.value.hint


def test_a_broken_file_is_not_written_to() -> None:
    with pytest.raises(ConfigError):
        added(b"version: 1\nsuppressions:\n  - rule: a\n", NEW, file=FILE)


@given(st.text(min_size=1, max_size=60), st.text(max_size=40), st.text(max_size=40))
def test_any_reason_and_title_comes_back_as_one_line_of_the_same_words(reason: str, about: str, author: str) -> None:
    entry_ = replace(NEW, reason=f"because {reason}", about=about, author=author)
    (back,) = read(added(None, entry_, file=FILE), file=FILE)
    assert back.reason.startswith("because")
    assert "\n" not in back.reason
    assert len(back.reason) <= MAX_TEXT
    assert back.fingerprint == NEW.fingerprint
