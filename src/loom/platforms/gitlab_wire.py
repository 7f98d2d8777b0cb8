"""GitLab's JSON as platform values, and places of comments as GitLab's JSON. Pure: nothing here asks a server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from loom.core.diff import FileChange, Side, Status
from loom.core.errors import SourceError
from loom.infra.parse_diff import parse
from loom.platforms.answers import at, flag, items, number_or_none, text, text_or_none
from loom.platforms.values import Access, Anchor, Comment, Thread

Place = Mapping[str, object]
"""A `position` as the API takes it."""
Counters = Mapping[tuple[Side, int], tuple[int, int]]
"""(side, line) -> where both numberings stand at that line."""

# Project and group tokens act as such users, service accounts too: https://docs.gitlab.com/user/project/settings/
# project_access_tokens/#bot-users-for-projects; who is a bot is not in the short form of a user.
_BOT = re.compile(
    r"(?:project|group)_\d+_bot(?:_[0-9a-z]+)?|service_account_\w+|GitLab(?:Duo|-Security-Bot|_Bot)?", re.I
)
_DRAFT = re.compile(r"\s*(?:\[(?:draft|wip)\]|\((?:draft|wip)\)|(?:draft|wip):|draft -)", re.IGNORECASE)
_HUNK = re.compile(r"^@@ ", re.MULTILINE)
_THUMB = re.compile(r"thumbs(up|down)(?:_tone[1-5])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """The three commits that a position names."""

    base: str
    """The merge base."""
    start: str
    """The target branch when this version of the merge request was made."""
    head: str


def refs_of_merge_request(mr: object) -> Refs | None:
    """The `diff_refs`; None while GitLab still prepares the diff."""
    found = [text_or_none(mr, "diff_refs", f"{name}_sha") for name in ("base", "start", "head")]
    return _refs(found)


def refs_of_version(version: object) -> Refs | None:
    """Those of one entry of `versions`."""
    return _refs([text_or_none(version, f"{name}_commit_sha") for name in ("base", "start", "head")])


def _refs(found: list[str | None]) -> Refs | None:
    base, start, head = found
    return Refs(base=base, start=start, head=head) if base and start and head else None


def version_of(told: str | None) -> tuple[int, int] | None:
    """`17.11.2-ee` as (17, 11); None where it is not known."""
    found = re.match(r"(\d+)\.(\d+)", told or "")
    return (int(found[1]), int(found[2])) if found else None


def is_bot(login: str) -> bool:
    """Whether the name is one that GitLab gives to tokens and service accounts."""
    return bool(_BOT.fullmatch(login)) or login.lower().endswith(("[bot]", "-bot", "_bot"))


def is_draft(mr: object) -> bool:
    """Whether a merge request is a draft; servers before 13.2 say so in the title only."""
    if isinstance(at(mr, "draft"), bool) or isinstance(at(mr, "work_in_progress"), bool):
        return flag(mr, "draft") or flag(mr, "work_in_progress")
    return bool(_DRAFT.match(text_or_none(mr, "title") or ""))


def changes_count(mr: object) -> int | None:
    """How many files changed; None for "1000+", which is GitLab's way to say that it stopped counting."""
    told = text_or_none(mr, "changes_count") or ""
    return int(told) if told.isdigit() else None


def labels(mr: object) -> tuple[str, ...]:
    """The labels' names."""
    found = (one if isinstance(one, str) else text_or_none(one, "name") for one in items(mr, "labels"))
    return tuple(name for name in found if name)


def access(level: int) -> Access:
    """What an access level means for us: Developer (30) is the least that may write, Guest (10) the least that may
    read; https://docs.gitlab.com/api/members/#roles."""
    return "admin" if level >= 40 else "write" if level >= 30 else "read" if level >= 10 else "none"


def access_level(project: object) -> int | None:
    """Our own level in a project, as the project tells; None where it does not."""
    found = [number_or_none(project, "permissions", f"{kind}_access", "access_level") for kind in ("project", "group")]
    return max((level for level in found if level is not None), default=None)


# -- comments ---------------------------------------------------------------------------------------------------------


def comment(note: object, me: int | None, reactions: Mapping[str, tuple[str, ...]] | None = None) -> Comment:
    """One note. `me`: the id of the user whose token this is."""
    author = text_or_none(note, "author", "username") or ""
    return Comment(
        id=text(note, "id"),
        body=text_or_none(note, "body") or "",
        author=author,
        by_self=me is not None and number_or_none(note, "author", "id") == me,
        by_bot=is_bot(author) or flag(note, "author", "bot"),
        created_at=text_or_none(note, "created_at") or "",
        reactions=reactions or {},
    )


def thread(
    discussion: object, me: int | None, head: str, reactions: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> Thread | None:
    """One discussion; None where nobody but GitLab itself spoke. `reactions` by the id of the note."""
    notes = spoken(discussion)
    if not notes:
        return None
    root = notes[0]
    resolvable = [note for note in notes if flag(note, "resolvable")]
    resolved = bool(resolvable) and all(flag(note, "resolved") for note in resolvable)
    new_line = number_or_none(root, "position", "new_line")
    old_line = number_or_none(root, "position", "old_line")
    placed_at = text_or_none(root, "position", "head_sha")
    return Thread(
        id=text(discussion, "id"),
        comments=tuple(comment(note, me, reactions.get(text(note, "id"))) for note in notes),
        path=text_or_none(root, "position", "new_path") or text_or_none(root, "position", "old_path"),
        line=new_line if new_line is not None else old_line,
        side="old" if new_line is None and old_line is not None else "new",
        resolvable=bool(resolvable) and not flag(discussion, "individual_note"),
        resolved=resolved,
        resolved_by=text_or_none(root, "resolved_by", "username") if resolved else None,
        resolved_by_self=resolved and me is not None and number_or_none(root, "resolved_by", "id") == me,
        # GitLab moves a position along with every version of the merge request, as long as its line is still there.
        outdated=placed_at is not None and placed_at != head,
    )


def spoken(discussion: object) -> list[object]:
    """The notes of a discussion that people or tools wrote, in order."""
    return [note for note in items(discussion, "notes") if not flag(note, "system")]


def as_discussion(note: object) -> object:
    """A note by itself, for tokens that see notes and no discussions."""
    return {"id": text(note, "id"), "individual_note": not flag(note, "resolvable"), "notes": [note]}


def reactions(awards: Iterable[object]) -> dict[str, tuple[str, ...]]:
    """Award emoji in our words: name -> who."""
    found: dict[str, tuple[str, ...]] = {}
    for award in awards:
        name = text_or_none(award, "name") or ""
        thumb = _THUMB.fullmatch(name)
        name = {"up": "+1", "down": "-1"}[thumb[1]] if thumb else name
        found[name] = (*found.get(name, ()), text_or_none(award, "user", "username") or "")
    return found


# -- places -----------------------------------------------------------------------------------------------------------


def position(anchor: Anchor, refs: Refs, counters: Counters | None = None) -> dict[str, object]:
    """Where a comment stands. Both paths always; an added line by its new number only, a removed one by its old number
    only, an unchanged one by both (facts: platforms, section 3.4). A range needs `counters`: they tell its codes."""
    place: dict[str, object] = {
        "position_type": "file" if anchor.line is None else "text",
        "base_sha": refs.base,
        "start_sha": refs.start,
        "head_sha": refs.head,
        "old_path": anchor.old_path or anchor.path,
        "new_path": anchor.path,
    }
    if anchor.line is None or anchor.kind == "file":
        return place
    place |= _numbers(anchor.kind, anchor.line, anchor.old_line)
    if anchor.start_line is not None and anchor.start_kind is not None and counters is not None:
        first = _end(anchor, anchor.start_kind, anchor.start_line, anchor.start_old_line, counters)
        last = _end(anchor, anchor.kind, anchor.line, anchor.old_line, counters)
        if first is not None and last is not None:
            place["line_range"] = {"start": first, "end": last}
    return place


def without_range(place: Place) -> Place:
    """The same place as its last line alone."""
    return {name: value for name, value in place.items() if name != "line_range"}


def _numbers(kind: Literal["added", "removed", "context"], line: int, old: int | None) -> dict[str, object]:
    if kind == "removed":
        return {"old_line": line}
    return {"new_line": line, "old_line": old} if kind == "context" and old is not None else {"new_line": line}


def _end(
    anchor: Anchor, kind: Literal["added", "removed", "context"], line: int, old: int | None, counters: Counters
) -> dict[str, object] | None:
    stand = counters.get((anchor.side, line))
    if stand is None:
        return None
    # https://docs.gitlab.com/api/discussions/#line-code: SHA-1 of the path, and where both numberings stand.
    code = hashlib.sha1(anchor.path.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    side = "old" if anchor.side == "old" else "new"
    return {"line_code": f"{code}_{stand[0]}_{stand[1]}", "type": side, **_numbers(kind, line, old)}


def counters(file: FileChange) -> Counters:
    """Where both numberings stand at every line of a file's diff."""
    found: dict[tuple[Side, int], tuple[int, int]] = {}
    for hunk in file.hunks:
        old, new = hunk.old_start, hunk.new_start
        for line in hunk.lines():
            if line.new is not None:
                found["new", line.new] = (old, new)
            if line.old is not None:
                found["old", line.old] = (old, new)
            old += line.old is not None
            new += line.new is not None
    return found


# -- diffs ------------------------------------------------------------------------------------------------------------


def file_change(entry: object) -> FileChange:
    """One entry of `diffs`, as far as it tells."""
    old, new = text(entry, "old_path"), text(entry, "new_path")
    modes = [text_or_none(entry, name) or "" for name in ("a_mode", "b_mode")]
    old_mode, new_mode = (mode.zfill(6) if mode.strip("0") else None for mode in modes)
    diff = text_or_none(entry, "diff") or ""
    status: Status = "modified"
    if flag(entry, "new_file"):
        status, old_mode = "added", None
    elif flag(entry, "deleted_file"):
        status, new_mode = "deleted", None
    elif flag(entry, "renamed_file"):
        status = "renamed"
    elif old_mode != new_mode and not diff:
        status = "mode"
    change = FileChange(
        path=old if status == "deleted" else new,
        status=status,
        old_path=old if status == "renamed" and old != new else None,
        old_mode=old_mode,
        new_mode=new_mode,
    )
    return with_hunks(change, diff)


def with_hunks(change: FileChange, diff: str) -> FileChange:
    """The change with the lines of a diff text that has no usable header."""
    found = _HUNK.search(diff)
    if found is None:
        return replace(change, binary=diff.startswith(("Binary files", "GIT binary patch")))
    body = diff[found.start() :].encode("utf-8", "surrogateescape")
    try:
        parsed = parse(b"diff --git a/f b/f\n--- a/f\n+++ b/f\n" + body)
    except SourceError as error:
        return replace(change, unreadable=f"GitLab's diff of it cannot be read: {error.message}")
    if len(parsed.files) != 1 or parsed.unread or parsed.files[0].unreadable:
        why = next((file.unreadable for file in parsed.files if file.unreadable), "it is not one file's diff")
        return replace(change, unreadable=f"GitLab's diff of it cannot be read: {why}")
    file = parsed.files[0]
    return replace(change, hunks=file.hunks, added=file.added, deleted=file.deleted)


def lacks_lines(entry: object, change: FileChange) -> bool:
    """Whether GitLab left the lines of an entry out. `too_large` is not to be relied on (gitlab#544924)."""
    if flag(entry, "collapsed") or flag(entry, "too_large"):
        return not change.hunks
    if change.hunks or change.binary or change.unreadable is not None:
        return False
    return change.status in ("added", "deleted", "modified")


_EMPTY_BLOBS = (
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
)


def is_hollow(change: FileChange) -> bool:
    """Whether a file of a raw diff came without lines that it must have."""
    if change.hunks or change.binary or change.unreadable is not None or change.status == "mode":
        return False
    shas = {sha for sha in (change.old_sha, change.new_sha) if sha is not None}
    if change.status in ("added", "deleted"):
        return bool(shas) and not any(empty.startswith(sha) for sha in shas for empty in _EMPTY_BLOBS)
    return change.status == "modified" or len(shas) > 1
