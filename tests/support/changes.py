"""Small changes made by hand: files whose lines are all new, or new beside old ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from loom.core.change import ChangeRef, ChangeSet
from loom.core.diff import FileChange, Hunk


class Known:
    """Files of which both sides are known."""

    def __init__(self, head: Mapping[str, bytes], base: Mapping[str, bytes] | None = None) -> None:
        self._head, self._base = head, base or {}

    def head(self, path: str) -> bytes | None:
        return self._head.get(path)

    def base(self, path: str) -> bytes | None:
        return self._base.get(path)


def change(
    head: Mapping[str, str], base: Mapping[str, str] | None = None, *, context: int = 3
) -> tuple[ChangeSet, Known]:
    """The change from `base` to `head`, and its files."""
    old = base or {}
    files = tuple(file_change(path, old.get(path), text, context=context) for path, text in head.items())
    known = Known({p: t.encode() for p, t in head.items()}, {p: t.encode() for p, t in old.items()})
    return ChangeSet(ChangeRef("range"), files), known


def file_change(path: str, old: str | None, new: str, *, context: int = 3) -> FileChange:
    """One file's change, as difflib sees it."""
    lines = list(difflib.unified_diff(_lines(old or ""), _lines(new), n=context, lineterm=""))[2:]
    hunks: list[Hunk] = []
    header, body = "", list[str]()
    for line in [*lines, "@@"]:
        if not line.startswith("@@"):
            body.append(line)
            continue
        if body:
            hunks.append(_hunk(header, body))
        header, body = line, []
    return FileChange(
        path,
        "modified" if old is not None else "added",
        old_mode="100644" if old is not None else None,
        new_mode="100644",
        hunks=tuple(hunks),
        added=sum(line.startswith("+") for line in lines),
        deleted=sum(line.startswith("-") for line in lines),
    )


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _hunk(header: str, body: list[str]) -> Hunk:
    old, new = (part[1:].split(",") for part in header.split()[1:3])
    return Hunk(
        int(old[0]), int(old[1]) if len(old) > 1 else 1, int(new[0]), int(new[1]) if len(new) > 1 else 1, "",
        "\n".join(body).encode(),
    )  # fmt: skip
