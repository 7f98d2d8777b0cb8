"""A diff's bytes become exactly the files, lines and numbers that git knows, whatever the names and contents are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.data import cases, shared

from loom.core.diff import FileChange
from loom.core.errors import SourceError
from loom.infra.parse_diff import ParsedDiff, parse

# As the corpus' README has it: what may be refused or reported as not reviewed.
MAY_BE_REFUSED = ("s_", "m_", "x_", "o_")


def raw_lines(change: FileChange) -> list[tuple[str, int | None, int | None, bytes]]:
    """(mark, old number, new number, bytes) of every line of every hunk, numbered without Loom's own code."""
    out = []
    for hunk in change.hunks:
        old, new = hunk.old_start, hunk.new_start
        for raw in hunk.body.split(b"\n"):
            mark = raw[:1].decode() or " "
            if mark == "\\":
                continue
            out.append((mark, old if mark != "+" else None, new if mark != "-" else None, raw[1:]))
            old += mark != "+"
            new += mark != "-"
    return out


def shown(change: FileChange) -> dict[str, object]:
    return {
        "status": change.status,
        "old": change.base_path if change.status != "added" else change.path,
        "new": change.path,
        "binary": change.binary,
        "added": change.added,
        "removed": change.deleted,
    }


def expected(entry: dict[str, object], change: FileChange) -> dict[str, object]:
    letters = {"A": "added", "D": "deleted", "R": "renamed", "C": "copied", "T": "typechange"}
    status = letters.get(str(entry["status"])[0], "modified")
    if status == "modified" and entry.get("old_sha") and entry["old_sha"] == entry["new_sha"]:
        status = "mode"
    keys = ("old", "new", "binary", "added", "removed")
    return {"status": status} | {key: entry[key] or 0 if key in ("added", "removed") else entry[key] for key in keys}


def check_lines(change: FileChange, blob_lines: list[str]) -> None:
    blob = [line.encode("latin-1") for line in blob_lines]  # the corpus writes bytes as Latin-1
    for mark, _, new, raw in raw_lines(change):
        if mark != "-":
            assert new is not None
            assert raw == blob[new - 1]


def read(patch: bytes) -> ParsedDiff | SourceError:
    """What the parser makes of it; a refusal as a value."""
    try:
        return parse(patch)
    except SourceError as error:
        return error


@pytest.mark.parametrize("diff", cases("git-diffs", "*.diff"), ids=lambda path: path.stem)
def test_every_diff_of_the_corpus_comes_out_as_git_knows_it(diff: Path) -> None:
    shared("data", "git-diffs")
    truth = json.loads(diff.with_suffix(".json").read_text())["files"]
    parsed = read(diff.read_bytes())
    if isinstance(parsed, SourceError):
        assert diff.stem.startswith(MAY_BE_REFUSED)
        assert "byte" in parsed.message
        return
    unreadable = [f.path for f in parsed.files if f.unreadable]
    if truth is None or (diff.stem.startswith(MAY_BE_REFUSED) and unreadable):
        assert unreadable == [f.path for f in parsed.files] == [e["new"] for e in truth or [{"new": unreadable[0]}]]
        return
    assert unreadable == []
    assert parsed.unread == ()
    assert [shown(f) for f in parsed.files] == [expected(e, f) for e, f in zip(truth, parsed.files, strict=True)]
    for entry, change in zip(truth, parsed.files, strict=True):
        if entry.get("new_blob_lines"):
            check_lines(change, entry["new_blob_lines"])
        for key, value in (("old_mode", change.old_mode), ("new_mode", change.new_mode)):
            if entry.get(key) and value is not None:
                assert entry[key] == value


def git_lines(path: Path) -> bytes:
    """The raw records that git prints for a case of the corpus."""
    out = b""
    for f in json.loads(path.with_suffix(".json").read_text())["files"]:
        head = f":{f['old_mode']} {f['new_mode']} {f['old_sha']} {f['new_sha']} {f['status']}\0"
        names = [f["old"], f["new"]] if f["status"][0] in "RC" else [f["new"]]
        out += head.encode() + b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)
    return out


def with_records() -> list[Path]:
    """Cases that Loom's own git call could have printed: two trees, no foreign options."""
    chosen = [p for p in cases("git-diffs", "*.diff") if p.stem.startswith(("c_", "k_", "p_", "ren_", "m_first"))]
    return [p for p in chosen if not p.stem.startswith("k_submodule_")] or chosen or cases("git-diffs", "*.diff")


@pytest.mark.parametrize("diff", with_records(), ids=lambda path: path.stem)
def test_with_gits_records_the_names_in_the_text_do_not_matter(diff: Path) -> None:
    shared("data", "git-diffs")
    truth = json.loads(diff.with_suffix(".json").read_text())["files"]
    text = re.sub(rb"(?m)^(diff --git|rename (?:from|to)|copy (?:from|to)) .*$", rb"\1 garbage", diff.read_bytes())
    if b"garbage" in diff.read_bytes() or b"\ndiff --git " in re.sub(rb"(?m)^diff --git .*\n", b"", diff.read_bytes()):
        pytest.fail("the case itself holds what the test replaces")
    parsed = parse(text, records=git_lines(diff))
    assert parsed.unread == ()
    assert [f.unreadable for f in parsed.files] == [None] * len(truth)
    assert [shown(f) for f in parsed.files] == [expected(e, f) for e, f in zip(truth, parsed.files, strict=True)]
    assert [(f.old_mode or "000000", f.new_mode or "000000") for f in parsed.files] == [
        (e["old_mode"], e["new_mode"]) for e in truth
    ]
    for entry, change in zip(truth, parsed.files, strict=True):
        if entry.get("new_blob_lines"):
            check_lines(change, entry["new_blob_lines"])


ONE = b"diff --git a/one b/one\nindex 1111111..2222222 100644\n--- a/one\n+++ b/one\n@@ -1 +1 @@\n-a\n+b\n"
TWO = b"diff --git a/two b/two\nindex 3333333..4444444 100644\n--- a/two\n+++ b/two\n@@ -1 +1 @@\n-c\n+d\n"
RECORDS = (
    b":100644 100644 " + b"1" * 40 + b" " + b"2" * 40 + b" M\0one\0"
    b":100644 100644 " + b"3" * 40 + b" " + b"4" * 40 + b" M\0two\0"
)


def test_a_cut_diff_names_the_files_after_the_cut() -> None:
    assert [f.unreadable for f in parse(ONE + TWO, records=RECORDS).files] == [None, None]
    cut_between = parse(ONE, records=RECORDS)
    assert [f.unreadable for f in cut_between.files] == [None, "its part of the diff is missing (cut off)"]
    cut_inside = parse(ONE + TWO[:-4], records=RECORDS)
    assert cut_inside.files[0].unreadable is None
    assert "does not have the lines its header counts" in (cut_inside.files[1].unreadable or "")


def test_content_is_never_given_to_another_file() -> None:
    parsed = parse(TWO + ONE, records=RECORDS)
    assert [f.unreadable for f in parsed.files] == ["git's list of files and its diff do not agree"] * 2
    assert [f.hunks for f in parsed.files] == [(), ()]
    assert parse(ONE + TWO + ONE, records=RECORDS).unread[0].reason.startswith("the part of the diff at byte ")


def test_an_empty_diff_has_no_files() -> None:
    assert parse(b"") == parse(b"\n\n") == parse(b"", records=b"")
    assert parse(b"").files == ()


# -- one bad file costs no other --------------------------------------------------------------------------------------

GOOD = b"diff --git a/good b/good\nindex 5..6 100644\n--- a/good\n+++ b/good\n@@ -1 +1 @@\n-x\n+y\n"
BAD = {
    "count too large": b"@@ -1,9 +1,9 @@\n-c\n+d\n",
    "count too small": b"@@ -1 +1 @@\n-c\n+d\n+lost line\n",
    "lost line that looks like a header": b"@@ -1 +1 @@\n-c\n+d\n--- a/fake\n+++ b/fake\n@@ -1 +1 @@\n-e\n+f\n",
    "huge number": b"@@ -1 +" + b"9" * 5000 + b" @@\n-c\n+d\n",
    "negative number": b"@@ -1 +-1 @@\n-c\n+d\n",
    "combined hunk": b"@@@ -1 -1 +1 @@@\n--c\n++d\n",
    "another indicator": b"@@ -1 +1 @@\n-c\n>d\n",
    "text after it": b"@@ -1 +1 @@\n-c\n+d\nwhat is this\n",
}


@pytest.mark.parametrize("hunk", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("place", ["first", "last", "between"])
def test_a_file_that_lies_is_unreadable_and_the_others_are_kept(hunk: bytes, place: str) -> None:
    bad = TWO[: TWO.index(b"@@")] + hunk
    patch = {"first": bad + GOOD, "last": GOOD + bad, "between": ONE + bad + GOOD}[place]
    parsed = parse(patch)
    assert parsed.unread == ()
    state = {f.path: (f.unreadable is None, len(f.hunks), f.added) for f in parsed.files}
    assert state.pop("two") == (False, 0, 0)
    assert set(state.values()) == {(True, 1, 1)}
    assert "byte" in next(f.unreadable or "" for f in parsed.files if f.path == "two")


REFUSED = {
    "text before the first file header, at byte 0": b"From 1234 Mon\nSubject: x\n\n" + ONE,
    "a hunk at byte 0 stands before any file header": b"@@ -1 +1 @@\n-a\n+b\n",
    "the diff holds terminal colours (byte 0)": b"\x1b[1mdiff --git a/one b/one\x1b[m\n",
    "this is not a diff: no file header found (byte 1)": b"\nhello\n",
    "the diff is UTF-16 text (byte 0), as PowerShell's `>` writes it": ONE.decode().encode("utf-16"),
    "some lines of the diff end in CRLF, its first one too, others in LF: it was altered on its way":
        ONE.replace(b"\n", b"\r\n", 3),
}  # fmt: skip


@pytest.mark.parametrize(("message", "patch"), REFUSED.items())
def test_what_has_no_honest_reading_is_refused_with_a_hint(message: str, patch: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        parse(patch)
    assert caught.value.message == message
    assert "git diff" in caught.value.hint or "diff --git" in caught.value.hint


def test_a_name_that_cannot_be_made_out_is_reported_and_costs_no_other() -> None:
    parsed = parse(b"diff --git a/x b/y z\nold mode 100644\nnew mode 100755\n" + ONE)
    assert [f.path for f in parsed.files] == ["one"]
    assert [(u.path, u.reason) for u in parsed.unread] == [
        (None, "the name of the file at byte 0 of the diff cannot be made out")
    ]


def test_a_file_that_stands_twice_is_read_once_and_reported() -> None:
    parsed = parse(ONE + TWO + ONE)
    assert [f.path for f in parsed.files] == ["one", "two"]
    assert [u.path for u in parsed.unread] == ["one"]


def test_a_merge_shown_against_both_parents_is_named_and_the_rest_kept() -> None:
    combined = b"diff --cc f\nindex 1,2..3\n--- a/f\n+++ b/f\n@@@ -1 -1 +1 @@@\n- a\n -b\n++c\n"
    parsed = parse(combined + ONE)
    assert [(f.path, f.unreadable is None) for f in parsed.files] == [("f", False), ("one", True)]
    assert "first parent" in (parsed.files[0].unreadable or "")


# -- what people and tools hand over ----------------------------------------------------------------------------------


def test_transports_that_change_line_ends_or_add_a_byte_order_mark_are_undone() -> None:
    assert parse(ONE.replace(b"\n", b"\r\n")) == parse(ONE)
    assert parse(b"\xef\xbb\xbf" + ONE) == parse(ONE)
    crlf_content = ONE.replace(b"-a\n+b\n", b"-a\r\n+b\r\n")
    assert [line.text for line in parse(crlf_content).files[0].lines()] == ["a\r", "b\r"]


def test_the_signature_that_ends_a_mail_is_no_change() -> None:
    assert parse(ONE + b"-- \n2.39.5\n\n") == parse(ONE)


def test_prefixes_are_what_git_was_told() -> None:
    for old, new in ((b"a/", b"b/"), (b"i/", b"w/"), (b"old/", b"new/"), (b"", b""), (b"before/", b"after/")):
        patch = b"diff --git %sd/f %sd/f\nindex 1..2 100644\n--- %sd/f\n+++ %sd/f\n@@ -1 +1 @@\n-a\n+b\n" % (
            (old, new) * 2
        )
        assert [f.path for f in parse(patch).files] == ["d/f"]


def test_a_plain_diff_needs_no_git_header() -> None:
    patch = (
        b"diff -ruN old/a.py new/a.py\n"
        b"--- old/a.py\t2026-01-01 10:00:00.000000000 +0100\n+++ new/a.py\t2026-01-02 10:00:00.000000000 +0100\n"
        b"@@ -1,2 +1,2 @@\n--- not a header\n+++ not one either\n same\n"
        b"diff -ruN old/added.py new/added.py\n"
        b"--- old/added.py\t1970-01-01 01:00:00.000000000 +0100\n+++ new/added.py\t2026-01-02 10:00:00 +0100\n"
        b"@@ -0,0 +1 @@\n+x\n"
        b"--- old/gone dir/gone.py\t2026-01-01 10:00:00 +0100\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        b"Binary files old/pic.png and new/pic.png differ\n"
        b"Only in new: lonely.py\n"
        b"Index: svn.py\n===================================================================\n"
        b"--- svn.py\t(revision 1)\n+++ svn.py\t(working copy)\n@@ -1 +1 @@\n-x\n+y\n"
        b"\nProperty changes on: svn.py\n___________\nAdded: svn:eol-style\n## -0,0 +1 ##\n+LF\n"
        b"Index: last.py\n====\n--- last.py.orig\n+++ last.py\n@@ -1 +1 @@\n-x\n+y\n"
    )
    parsed = parse(patch)
    assert [(f.path, f.status, f.added, f.deleted, f.binary, f.unreadable) for f in parsed.files] == [
        ("a.py", "modified", 1, 1, False, None),
        ("added.py", "added", 1, 0, False, None),
        ("old/gone dir/gone.py", "deleted", 0, 1, False, None),
        ("pic.png", "modified", 0, 0, True, None),
        ("new/lonely.py", "modified", 0, 0, False, "only its name is in the diff (`diff -r` without -N)"),
        ("svn.py", "modified", 1, 1, False, None),
        ("last.py", "modified", 1, 1, False, None),
    ]
    assert [line.text for line in parsed.files[0].lines()] == ["-- not a header", "++ not one either", "same"]


def test_headers_that_cost_others_minutes_cost_nothing() -> None:
    for patch in (
        b"--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\nBinary files " + b" and " * 16_000 + b"\n",
        b"diff --git " + b"://" * 64_000 + b"\n",
        b"diff --git " + b'"\\' * 64_000 + b"\n",
        b"Submodule " + b"a" * 200_000 + b"\n" + b"Submodule a " * 20_000,
        b"x" * 300_000 + b"--- ",
    ):
        parsed = read(patch)
        assert isinstance(parsed, SourceError) or parsed.unread or any(f.unreadable for f in parsed.files)
