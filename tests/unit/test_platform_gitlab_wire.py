"""GitLab's JSON read and written without a server: places of comments, who is a bot, what is a draft."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.forge.diffs import Diff, DiffFile, DiffLine
from support.forge.gitlab_places import code_of, range_is_sound

from loom.core.diff import FileChange
from loom.platforms import gitlab_wire as wire
from loom.platforms.blob_diff import hunks_between
from loom.platforms.values import Anchor

REFS = wire.Refs(base="b" * 40, start="s" * 40, head="h" * 40)
SHAS = {"base_sha": "b" * 40, "start_sha": "s" * 40, "head_sha": "h" * 40}
PATHS = {"old_path": "a.py", "new_path": "a.py"}


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        (Anchor(path="a.py", line=3, kind="added"), {"position_type": "text", "new_line": 3}),
        (Anchor(path="a.py", line=3, kind="removed", side="old"), {"position_type": "text", "old_line": 3}),
        (
            Anchor(path="a.py", line=5, kind="context", old_line=3),
            {"position_type": "text", "new_line": 5, "old_line": 3},
        ),
        (Anchor(path="a.py"), {"position_type": "file"}),
        (
            Anchor(path="a.py", old_path="z.py", line=3, kind="added"),
            {"position_type": "text", "new_line": 3, "old_path": "z.py"},
        ),
    ],
    ids=["added", "removed", "context", "file", "renamed"],
)
def test_a_place_names_each_line_by_the_sides_that_have_it(anchor: Anchor, expected: dict[str, object]) -> None:
    assert wire.position(anchor, REFS) == {**SHAS, **PATHS, **expected}


def test_a_range_without_its_codes_is_its_last_line() -> None:
    anchor = Anchor(path="a.py", line=4, kind="added", start_line=3, start_kind="added")
    assert "line_range" not in wire.position(anchor, REFS)
    assert "line_range" not in wire.position(anchor, REFS, {("new", 4): (3, 4)})
    ranged = wire.position(anchor, REFS, {("new", 3): (3, 3), ("new", 4): (3, 4)})
    assert "line_range" in ranged
    assert wire.without_range(ranged) == wire.position(anchor.single(), REFS)


TEXT = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=30)


@given(TEXT, TEXT)
def test_every_line_and_every_range_of_a_diff_is_a_place_that_gitlab_knows(old: list[str], new: list[str]) -> None:
    before, after = ("".join(f"{line}\n" for line in side).encode() for side in (old, new))
    change = FileChange(path="a.py", status="modified", hunks=hunks_between(before, after))
    hunks = [[DiffLine(line.kind, line.old, line.new, line.text) for line in hunk.lines()] for hunk in change.hunks]
    diff = Diff(b"", [DiffFile("a.py", "a.py", "M", "", "", "", "", hunks=hunks)])
    counters = wire.counters(change)
    for hunk in hunks:
        for line in hunk:
            place = wire.position(_anchor(line), REFS)
            assert code_of(diff, place) is not None
        for first, last in itertools.pairwise(hunk):
            if "-" in (first.kind, last.kind) and first.kind != last.kind:
                continue  # such a range has no one side, and the engine makes none
            place = wire.position(_anchor(last, first), REFS, counters)
            assert range_is_sound(diff, place)
            assert "line_range" in place


def _anchor(line: DiffLine, first: DiffLine | None = None) -> Anchor:
    kinds = {"+": "added", "-": "removed", " ": "context"}
    side = "old" if line.kind == "-" else "new"
    start = None if first is None else first.old if side == "old" else first.new
    return Anchor(
        path="a.py",
        side=side,
        line=line.old if side == "old" else line.new,
        kind=kinds[line.kind],  # type: ignore[arg-type]  # a str from the table
        old_line=line.old if line.kind == " " else None,
        start_line=start,
        start_kind=None if first is None else kinds[first.kind],  # type: ignore[arg-type]
        start_old_line=first.old if first is not None and first.kind == " " else None,
    )


@pytest.mark.parametrize(
    ("login", "bot"),
    [
        ("project_4711_bot", True),
        ("project_4711_bot_0a1b2c3d4e5f", True),
        ("group_12_bot_ab", True),
        ("service_account_group_9_ab", True),
        ("renovate-bot", True),
        ("dependabot[bot]", True),
        ("alice", False),
        ("project_manager", False),
        ("botticelli", False),
    ],
)
def test_tokens_and_service_accounts_are_bots(login: str, bot: bool) -> None:
    assert wire.is_bot(login) == bot


@pytest.mark.parametrize(
    ("mr", "draft"),
    [
        ({"title": "Draft: x", "draft": True}, True),
        ({"title": "Draft: x", "draft": False}, False),
        ({"title": "x", "work_in_progress": True}, True),
        ({"title": "WIP: x"}, True),
        ({"title": "[Draft] x"}, True),
        ({"title": "(draft) x"}, True),
        ({"title": "Drafting a letter"}, False),
    ],
)
def test_drafts_are_known_from_every_version_of_gitlab(mr: object, draft: bool) -> None:
    assert wire.is_draft(mr) == draft


@pytest.mark.parametrize(
    ("level", "access"),
    [(0, "none"), (5, "none"), (10, "read"), (20, "read"), (30, "write"), (40, "admin"), (50, "admin")],
)
def test_developers_write_and_those_below_do_not(level: int, access: str) -> None:
    assert wire.access(level) == access


@pytest.mark.parametrize(
    ("told", "version"), [("17.11.2-ee", (17, 11)), ("16.4.0-pre", (16, 4)), ("", None), (None, None)]
)
def test_a_version_is_two_numbers(told: str | None, version: tuple[int, int] | None) -> None:
    assert wire.version_of(told) == version


ENTRY = {"old_path": "a.py", "new_path": "a.py", "a_mode": "100644", "b_mode": "100644", "diff": ""}


@pytest.mark.parametrize(
    ("entry", "status", "old_path"),
    [
        ({"diff": "@@ -1 +1 @@\n-a\n+b\n"}, "modified", None),
        ({"new_file": True, "a_mode": "0"}, "added", None),
        ({"deleted_file": True, "b_mode": "0"}, "deleted", None),
        ({"renamed_file": True, "new_path": "b.py"}, "renamed", "a.py"),
        ({"b_mode": "100755"}, "mode", None),
    ],
)
def test_what_happened_to_a_file_is_read_from_its_entry(
    entry: dict[str, object], status: str, old_path: str | None
) -> None:
    change = wire.file_change({**ENTRY, **entry})
    assert (change.status, change.old_path) == (status, old_path)


HUNK = "@@ -1 +1 @@\n-a\n+b\n"


@pytest.mark.parametrize(
    "diff", ["@@ -1,2 +1,2 @@\n a\n", "@@ nonsense", f"{HUNK}diff --git a/x b/x\n--- a/x\n+++ b/x\n{HUNK}"]
)
def test_a_diff_that_is_not_one_is_not_taken_for_no_change(diff: str) -> None:
    change = wire.file_change({**ENTRY, "diff": diff})
    assert change.unreadable or wire.lacks_lines({}, change)
