"""Experts' comments on real pull requests, put into a scripted model's mouth: do they land where the experts put
them? Through a diff file, and through a repository built from the case."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.data import DATA, shared
from support.engine import Scripted, answer, config, run_engine, shown_files
from support.repos import Repo

from loom.core.change import ChangeSet, Files
from loom.core.result import ReviewResult
from loom.infra.git import Git
from loom.infra.parse_diff import parse
from loom.platforms import local

# The largest cases are past the default limits; what is measured here is anchoring, not the limits.
SETTINGS = config(triggers={"max_changes": 1_000_000, "max_files": 10_000})
Comment = Mapping[str, Any]
Speak = Callable[[Comment, "Contents", int], dict[str, Any]]


class Contents:
    """Both sides of a case's files. Where the data leaves a content out for its size, the hunks stand among filler."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        diff = {f.path: f for f in parse(case["diff"].encode("utf-8", "surrogateescape")).files}
        self.old: dict[str, str] = {}
        self.new: dict[str, str] = {}
        for file in case["files"]:
            old, new = file["old_content"], file["new_content"]
            change = diff.get(file["new_path"] or file["old_path"])
            if change is not None and (
                (old is None and file["status"] != "A") or (new is None and file["status"] != "D")
            ):
                old, new = _around_hunks(change)
            if old is not None and file["status"] != "A":
                self.old[file["old_path"] or file["new_path"]] = old
            if new is not None and file["status"] != "D":
                self.new[file["new_path"]] = new

    def quote(self, comment: Comment) -> str | None:
        """The lines a comment is about, where they exist."""
        side = self.new if comment["side"] == "right" else self.old
        lines = side.get(comment["path"], "").split("\n")
        return "\n".join(lines[comment["from_line"] - 1 : comment["to_line"]]) or None


def _around_hunks(change) -> tuple[str, str]:
    sides = []
    for side in ("old", "new"):
        known = change.commentable(side)
        last = max(known, default=0) + 3
        sides.append("".join(f"{known.get(n, f'filler {n}')}\n" for n in range(1, last + 1)))
    return sides[0], sides[1]


def cases() -> list[Path]:
    return sorted((DATA / "reviews" / "cases").glob("*.json"))


def load(path: Path) -> tuple[Mapping[str, Any], Contents]:
    case = json.loads(path.read_text("utf-8"))
    return case, Contents(case)


def through_diff(case: Mapping[str, Any], _contents: Contents, _root: Path) -> tuple[ChangeSet, Files]:
    return local.diff_file(case["diff"].encode("utf-8", "surrogateescape"), root=None)


def through_repository(_case: Mapping[str, Any], contents: Contents, root: Path) -> tuple[ChangeSet, Files]:
    repo = Repo.init(root)
    base = repo.commit("base", {"README": "x\n", **contents.old})
    for path in set(contents.old) - set(contents.new):
        (root / path).unlink()
    head = repo.commit("head", contents.new)
    git = Git.discover(root, {"PATH": "/usr/bin:/bin", "HOME": str(root)})
    return local.range_(git, base, head)


def as_told(comment: Comment, contents: Contents, number: int) -> dict[str, Any]:
    return {
        "path": comment["path"],
        "line": comment["from_line"],
        "end_line": comment["to_line"],
        "side": "new" if comment["side"] == "right" else "old",
        "severity": "warning",
        "title": f"comment{number:03d}",
        # Words of its own: two experts' comments on one line must not be merged, or they could not be counted.
        "message": " ".join(f"word{number:03d}x{k}" for k in range(8)),
        "quote": contents.quote(comment),
    }


def miscounted(comment: Comment, contents: Contents, number: int) -> dict[str, Any]:
    off = (number % 8 + 1) * (1 if number % 2 else -1)
    said = as_told(comment, contents, number)
    line = max(1, said["line"] + off)
    return {**said, "line": line, "end_line": line + said["end_line"] - comment["from_line"]}


def invented(comment: Comment, contents: Contents, number: int) -> dict[str, Any]:
    return {**as_told(comment, contents, number), "quote": f"return frobnicate_{number}(never_written)"}


def review(case: Mapping[str, Any], contents: Contents, source, root: Path, speak: Speak) -> tuple[ReviewResult, int]:
    """The result, and how many comments the model made: it only speaks of files that it was shown (one expert
    commented on a lock file, which models are not asked about)."""
    change, files = source(case, contents, root)
    said = [speak(comment, contents, n) for n, comment in enumerate(case["comments"])]
    made: set[str] = set()

    def reply(request):
        shown = shown_files(request)
        spoken = [finding for finding in said if finding["path"] in shown]
        made.update(finding["title"] for finding in spoken)
        return answer(spoken)

    return run_engine(change, files, models=Scripted(reply), settings=SETTINGS), len(made)


def landed(case: Mapping[str, Any], result: ReviewResult) -> tuple[int, int, list[str]]:
    """(commentable comments, those that stand where the expert put them, the titles of the others)."""
    placed = {f.title: f for f in result.findings}
    total, right, missed = 0, 0, []
    for number, comment in enumerate(case["comments"]):
        if not comment["commentable"]:
            continue
        total += 1
        finding = placed.get(f"comment{number:03d}")
        side = "new" if comment["side"] == "right" else "old"
        if (
            finding
            and finding.anchor in ("exact", "moved")
            and (finding.line, finding.side) == (comment["from_line"], side)
        ):
            right += 1
        else:
            missed.append(f"{case['id']}: {comment['path']}:{comment['from_line']} -> {finding and finding.line}")
    return total, right, missed


@pytest.mark.parametrize("source", [through_diff, through_repository], ids=["diff", "repository"])
@pytest.mark.parametrize(("speak", "share"), [(as_told, 0.97), (miscounted, 0.95)], ids=["as_told", "miscounted"])
def test_comments_land_where_the_experts_put_them(source, speak: Speak, share: float, tmp_path: Path) -> None:
    shared("data", "reviews", "cases")
    total, right, missed = 0, 0, []
    for n, path in enumerate(cases()):
        case, contents = load(path)
        result, made = review(case, contents, source, tmp_path / str(n), speak)
        assert len(result.findings) + len(result.dropped) == made, "a comment was lost without a reason"
        t, r, m = landed(case, result)
        total, right, missed = total + t, right + r, missed + m
    assert total == 262
    assert right / total >= share, f"{right}/{total}; " + "; ".join(missed)


@pytest.mark.parametrize("source", [through_diff, through_repository], ids=["diff", "repository"])
def test_comments_that_quote_code_nobody_wrote_are_dropped(source, tmp_path: Path) -> None:
    shared("data", "reviews", "cases")
    for n, path in enumerate(cases()):
        case, contents = load(path)
        result, made = review(case, contents, source, tmp_path / str(n), invented)
        assert result.findings == ()
        assert {d.reason for d in result.dropped} <= {"invented_quote", "outside_change"}
        assert len(result.dropped) == made
