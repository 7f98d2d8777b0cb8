from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.results import finding

from loom.core.finding import Severity
from loom.core.marker import Known, Marker, Seal, without

SEAL = Seal(repo="acme/shop", number=12)
SIGNED = Seal(repo="acme/shop", number=12, key="s3cret-of-the-team")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
KNOWN = st.builds(
    Known,
    fingerprint=st.text("0123456789abcdef", min_size=16, max_size=16),
    severity=st.sampled_from(Severity),
    deterministic_severity=st.none() | st.sampled_from(Severity),
    path=TEXT,
    line=st.none() | st.integers(1, 10**6),
    side=st.sampled_from(["new", "old"]),
    title=TEXT,
    rule=st.none() | TEXT.filter(bool),
    sources=st.lists(TEXT, max_size=3).map(tuple),
    in_summary=st.booleans(),
    inline=st.booleans(),
    new=st.booleans(),
    fixed=st.booleans(),
)
MARKERS = st.builds(
    Marker,
    kind=st.just("summary"),
    head=TEXT,
    digest=TEXT,
    state=st.sampled_from(["open", "fixed", "copy"]),
    known=st.lists(KNOWN, max_size=6).map(tuple),
    done=st.dictionaries(TEXT, TEXT, max_size=3),
)
MINE = Marker(kind="finding", head="a" * 40, known=(Known(fingerprint="0" * 16, severity=Severity.INFO, path="a.py"),))


def html(seal: Seal, marker: Marker = MINE) -> str:
    return f"Some text.\n\n<!-- {seal.write(marker)} -->"


@given(MARKERS)
def test_what_is_written_is_read_again(marker: Marker) -> None:
    assert SIGNED.read(html(SIGNED, marker), by_self=False) == marker


@given(MARKERS)
def test_a_marker_ends_neither_an_html_comment_nor_a_link_reference(marker: Marker) -> None:
    word = SIGNED.write(marker)
    assert re.fullmatch(r"[A-Za-z0-9._:]+", word)
    assert SIGNED.read(f"text\n\n[loom]: https://loom.invalid/{word}", by_self=False) == marker


@given(st.lists(KNOWN, min_size=1, max_size=200), st.integers(1_000, 6_000))
def test_a_long_marker_keeps_the_most_important_and_counts_the_rest(known: list[Known], limit: int) -> None:
    marker = Marker(kind="summary", head="a" * 40, known=tuple(known))
    word = SEAL.write(marker, limit=limit)
    assert len(word) <= limit
    read = SEAL.read(f"<!-- {word} -->", by_self=True)
    assert read is not None
    assert len(read.known) + read.more == len(known)
    assert [k.fingerprint for k in read.known] == [k.fingerprint for k in known][: len(read.known)]
    assert [k.severity for k in read.known] == [k.severity for k in known][: len(read.known)]


@given(st.text(st.characters(min_codepoint=0x3400), max_size=400), st.text(max_size=400))
def test_a_finding_with_the_longest_names_is_still_known_by_its_comment(path: str, title: str) -> None:
    known = Known.of(finding(path=path, title=title, rule=title[:80], sources=("linter/" + "x" * 60,) * 4))
    word = SIGNED.write(Marker(kind="finding", head="a" * 40, digest="b" * 16, known=(known,)), limit=1_600)
    assert len(word) <= 1_600
    read = SIGNED.read(f"<!-- {word} -->", by_self=False)
    assert read is not None
    assert read.fingerprint == known.fingerprint


def test_a_thousand_findings_are_remembered_within_a_comment() -> None:
    known = tuple(
        Known(
            fingerprint=f"{n * 2654435761 % 2**64:016x}",
            severity=Severity.WARNING,
            path=f"src/module{n % 90}/part.py",
            line=n,
            title=f"The value of field {n} may be missing",
            sources=("review",),
        )
        for n in range(1_000)
    )
    read = SEAL.read(f"<!-- {SEAL.write(Marker(kind='summary', head='a' * 40, known=known))} -->", by_self=True)
    assert read is not None
    assert len(read.known) == 1_000


def test_a_marker_in_a_strangers_comment_does_not_count() -> None:
    assert SEAL.read(html(SEAL), by_self=False) is None
    assert SEAL.read(html(SEAL), by_self=True) == MINE


def test_a_signed_marker_counts_in_a_comment_of_another_identity() -> None:
    assert SIGNED.read(html(SIGNED), by_self=False) == MINE


@pytest.mark.parametrize(
    "other",
    [
        Seal(repo="acme/shop", number=13, key=SIGNED.key),
        Seal(repo="mallory/shop", number=12, key=SIGNED.key),
        Seal(repo="acme/shop", number=12, key="another"),
        SEAL,
    ],
)
def test_a_signature_holds_for_one_pull_request_and_one_key(other: Seal) -> None:
    assert SIGNED.read(html(other), by_self=False) is None


@given(st.data())
def test_a_damaged_marker_is_no_marker(data: st.DataObject) -> None:
    body = html(SIGNED)
    at = data.draw(st.integers(body.index("loom:"), len(body) - 5))
    broken = body[:at] + data.draw(st.sampled_from(["", "x", "A", ":", " ", "\n", "-"])) + body[at + 1 :]
    assert SIGNED.read(broken, by_self=False) in (None, MINE)
    SIGNED.read(broken, by_self=True)  # never raises


@given(st.text("loom:1fsn<!->[] ABCxyz._\n", max_size=120))
def test_any_text_can_be_looked_at(text: str) -> None:
    SEAL.read(text, by_self=True)


def test_a_marker_that_unpacks_to_megabytes_is_not_unpacked() -> None:
    bomb = Marker(kind="summary", head="a" * 3_000_000)
    assert SEAL.read(f"<!-- {SEAL.write(bomb, limit=10**7)} -->", by_self=True) is None


def test_text_that_only_quotes_a_marker_is_none() -> None:
    word = SEAL.write(MINE)
    for body in (f"see {word}", f"> <!-- {word} -->", f"`<!-- {word} -->`", f"a <!-- {word} --> b"):
        assert SEAL.read(body, by_self=True) is None, body


def test_the_last_marker_is_ours_since_code_above_may_hold_another() -> None:
    forged = SEAL.write(Marker(kind="finding", head="f" * 40, known=MINE.known))
    body = f"```\n<!-- {forged} -->\n```\n\n{html(SEAL)}"
    assert SEAL.read(body, by_self=True) == MINE


def test_a_comments_text_can_be_had_without_its_marker() -> None:
    assert without(html(SEAL)) == "Some text."


def test_the_key_is_shown_nowhere() -> None:
    assert "s3cret" not in repr(SIGNED)
    assert "s3cret" not in html(SIGNED)
