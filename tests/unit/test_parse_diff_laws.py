"""What holds for every diff, what real pull requests show, and what other parsers say of ordinary diffs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import git
import pytest
import unidiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.data import cases, shared
from support.repos import Repo

from loom.core.diff import FileChange
from loom.core.errors import SourceError
from loom.infra.apply_diff import apply, unapply
from loom.infra.git import Git
from loom.infra.parse_diff import ParsedDiff, parse

ONE = b"diff --git a/one b/one\nindex 1111111..2222222 100644\n--- a/one\n+++ b/one\n@@ -1 +1 @@\n-a\n+b\n"
TWO = b"diff --git a/two b/two\nindex 3333333..4444444 100644\n--- a/two\n+++ b/two\n@@ -1 +1 @@\n-c\n+d\n"
GOOD = b"diff --git a/good b/good\nindex 5..6 100644\n--- a/good\n+++ b/good\n@@ -1 +1 @@\n-x\n+y\n"


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


def read(patch: bytes) -> ParsedDiff | SourceError:
    """What the parser makes of it; a refusal as a value."""
    try:
        return parse(patch)
    except SourceError as error:
        return error


# -- laws -------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [b"", b"a", b"b", b"-- x", b"++ y", b"@@ -1 +1 @@", b"diff --git a/f b/f", b"\\ No newline at end of file", b" ",
     b"\r", b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff", b"\t", b"from x", b"--- a/f"]
)  # fmt: skip
CONTENT = st.builds(
    lambda lines, end: b"\n".join(lines) + (b"\n" if end and lines else b""),
    st.lists(PIECES, max_size=30),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=CONTENT, new=CONTENT, context=st.sampled_from([0, 1, 3, 25]))
def test_a_diff_read_and_applied_gives_the_new_file(tmp_path: Path, old: bytes, new: bytes, context: int) -> None:
    for side, content in (("old", old), ("new", new)):
        (tmp_path / side).mkdir(exist_ok=True)
        (tmp_path / side / "f x.py").write_bytes(content)
    patch = subprocess.run(
        ["git", "diff", "--no-index", "--text", f"-U{context}", "--no-prefix", "old", "new"],
        cwd=tmp_path, capture_output=True, check=False,
    ).stdout  # fmt: skip
    parsed = parse(patch)
    if old == new:
        assert parsed.files == ()
        return
    (change,) = parsed.files
    assert (parsed.unread, change.unreadable, change.path) == ((), None, "f x.py")
    assert apply(old, change.hunks) == new
    assert unapply(new, change.hunks) == old
    lines = {number: raw for mark, _, number, raw in raw_lines(change) if mark != "-"}
    split = new.split(b"\n")
    assert all(split[(number or 0) - 1] == raw for number, raw in lines.items())


SHREDS = [
    ONE, TWO, GOOD, b"\n", b"@@ -1 +1 @@\n", b"-a\n", b"+b\n", b" c\n", b"--- a/x\n", b"+++ b/x\n", b"\\ x\n", b"\r\n",
    b"diff --git a/q b/q\n", b"GIT binary patch\n", b"rename from q\n", b"Submodule s 1234..5678:\n", b"\xff",
    b"-- \n2.39\n", b"Only in x: y\n", b"@@ -0,0 +0,0 @@\n", b"Binary files a/q and b/q differ\n",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(SHREDS), max_size=12))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    parsed = read(b"".join(pieces))
    if isinstance(parsed, SourceError):
        assert parsed.message
        assert parsed.hint
        return
    assert len({f.path for f in parsed.files}) == len(parsed.files)
    for change in parsed.files:
        counted = [sum(mark == kind for mark, *_ in raw_lines(change)) for kind in "+-"]
        assert counted == [change.added, change.deleted]
        assert not (change.unreadable and change.hunks)


# -- second opinions on ordinary diffs --------------------------------------------------------------------------------


@pytest.fixture
def ordinary(tmp_path: Path) -> tuple[Repo, str, str]:
    repo = Repo.init(tmp_path / "repo")
    text = "".join(f"def f{n}():\n    return {n}\n\n" for n in range(40))
    base = repo.commit(
        "base", {"src/a.py": text, "src/b.py": text, "old.py": text, "gone.py": "bye\n", "p.png": b"\0\1"}
    )
    repo.git("mv", "old.py", "renamed.py")
    repo.git("rm", "-q", "gone.py")
    changed = (
        text.replace("return 7\n", "return 8\n").replace("def f30():\n", "").replace("return 39", "return 40  # x")
    )
    more = {
        "src/a.py": changed,
        "src/b.py": "new top\n" + text.removesuffix("\n\n"),
        "new.py": "x = 1\n",
        "p.png": b"\0\2",
    }
    return repo, base, repo.commit("head", {**more, "renamed.py": text + "tail\n"})


def test_unidiff_reads_ordinary_diffs_the_same(ordinary: tuple[Repo, str, str]) -> None:
    repo, base, head = ordinary
    patch = repo.git("diff", "-M", base, head) + "\n"
    theirs = {f.path: f for f in unidiff.PatchSet(patch)}
    ours = {f.path: f for f in parse(patch.encode()).files}
    assert set(ours) == set(theirs) == {"gone.py", "new.py", "p.png", "renamed.py", "src/a.py", "src/b.py"}
    for path, change in ours.items():
        other = theirs[path]
        assert (change.added, change.deleted) == (other.added, other.removed)
        assert change.status == (
            "added" if other.is_added_file else "deleted" if other.is_removed_file
            else "renamed" if other.is_rename else "modified"
        )  # fmt: skip
        assert change.binary == other.is_binary_file
        lines = [(x.line_type, x.source_line_no, x.target_line_no, x.value) for hunk in other for x in hunk]
        endless = [(kind, old, new, text.removesuffix("\n")) for kind, old, new, text in lines if kind in "+- "]
        assert [(x.kind, x.old, x.new, x.text) for x in change.lines()] == endless
        assert [hunk.section for hunk in change.hunks] == [hunk.section_header for hunk in other]


def test_gitpython_names_the_same_changes(ordinary: tuple[Repo, str, str]) -> None:
    repo, base, head = ordinary
    with Git.discover(repo.root, os.environ) as opened:
        ours = opened.changes(base, head)[0]
    with git.Repo(repo.root) as theirs:
        diffs = theirs.commit(base).diff(head)
        letters = {"added": "A", "deleted": "D", "modified": "M", "renamed": "R"}
        assert sorted((letters[f.status], f.base_path, f.path, f.old_sha, f.new_sha) for f in ours) == sorted(
            (d.change_type[0], d.a_path, d.b_path, d.a_blob and d.a_blob.hexsha, d.b_blob and d.b_blob.hexsha)
            for d in diffs
        )  # fmt: skip


@pytest.mark.parametrize("case", cases("reviews/cases", "*.json"), ids=lambda path: path.stem)
def test_the_diffs_of_real_pull_requests_turn_the_old_files_into_the_new(case: Path) -> None:
    shared("data", "reviews", "cases")
    truth = json.loads(case.read_text())
    parsed = parse(truth["diff"].encode())
    assert parsed.unread == ()
    ours = {change.path: change for change in parsed.files}
    for file in truth["files"]:
        change = ours[file["old_path"] if file["status"][0] == "D" else file["new_path"]]
        assert change.unreadable is None
        old, new = file["old_content"], file["new_content"]
        if old is not None and new is not None and not change.binary:
            assert apply(old.encode(), change.hunks) == new.encode()
            assert unapply(new.encode(), change.hunks) == old.encode()
