"""Objects of a repository read through one `git cat-file --batch`: blobs, trees, commits. Links are never followed."""

from __future__ import annotations

import re
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol

from loom.core.errors import SourceError
from loom.infra import process

MAX_BLOB = 5_000_000
"""Bytes; a larger file is not read whole by anybody."""

_REGULAR = ("100644", "100755")
_TREES_KEPT = 1000

Tree = dict[bytes, tuple[str, str]]
"""Name -> (mode as six octal digits, object id)."""


class Objects:
    """Answers from one child process, started when first needed and again if it was killed. Safe across threads."""

    def __init__(self, spawn: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._spawn = spawn
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._trees: OrderedDict[str, Tree] = OrderedDict()

    def read(self, name: str, *, cap: int | None = None) -> tuple[str, bytes | None] | None:
        """(type, content) of an object named by a full id, `^{tree}` allowed; content None when over `cap` bytes;
        None when there is no such object."""
        with self._lock:
            try:
                return self._ask(name, cap)
            except (BrokenPipeError, EOFError):
                self._close()  # killed by stop_all, say; a second failure is real
            try:
                return self._ask(name, cap)
            except (BrokenPipeError, EOFError) as error:
                raise SourceError("git ended while objects were read from it", hint="try `git fsck`") from error

    def tree(self, treeish: str) -> Tree | None:
        """The entries of one directory; None when it is not here."""
        with self._lock:
            known = self._trees.get(treeish)
            if known is None:
                found = self.read(treeish + "^{tree}")
                if found is None or found[1] is None:
                    return None
                known = self._trees[treeish] = _entries(found[1], len(treeish) // 2)
                while len(self._trees) > _TREES_KEPT:
                    self._trees.popitem(last=False)
            return known

    def entry(self, treeish: str, path: bytes) -> tuple[str, str] | None:
        """(mode, id) of what stands at `path`; None when nothing does."""
        found = ("040000", treeish)
        for part in path.split(b"/"):
            below = (self.tree(found[1]) or {}).get(part) if found[0] == "040000" else None
            if below is None:
                return None
            found = below
        return found

    def file(self, treeish: str, path: bytes) -> bytes | None:
        """A regular file's content; None for a link, a submodule, a directory, nothing, more than MAX_BLOB, or a blob
        that a partial clone left out."""
        found = self.entry(treeish, path)
        if found is None or found[0] not in _REGULAR:
            return None
        content = self.read(found[1], cap=MAX_BLOB)
        return content[1] if content is not None else None

    def close(self) -> None:
        """End the child. Idempotent."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._child is not None:
            process.end(self._child)
            self._child = None

    def _ask(self, name: str, cap: int | None) -> tuple[str, bytes | None] | None:
        if self._child is None:
            self._child = self._spawn()
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(name.encode("ascii") + b"\n")
        child.stdin.flush()
        head = child.stdout.readline().split(b" ")
        if len(head) != 3:  # "NAME missing"
            if head == [b""]:
                raise EOFError
            return None
        size = int(head[2])
        over = cap is not None and size > cap
        content = None
        if over:
            _skip(child.stdout, size)
        else:
            content = child.stdout.read(size)
        if child.stdout.read(1) != b"\n":
            raise EOFError
        return head[1].decode("ascii"), content


def _skip(pipe: IO[bytes], size: int) -> None:
    while size > 0:
        chunk = pipe.read(min(size, 1 << 20))
        if not chunk:
            raise EOFError
        size -= len(chunk)


def _entries(raw: bytes, id_bytes: int) -> Tree:
    """A tree object's bytes: `mode name NUL id`, again and again."""
    entries: Tree = {}
    pos = 0
    while pos < len(raw):
        space = raw.index(b" ", pos)
        nul = raw.index(b"\0", space)
        end = nul + 1 + id_bytes
        entries[raw[space + 1 : nul]] = (raw[pos:space].decode("ascii").zfill(6), raw[nul + 1 : end].hex())
        pos = end
    return entries


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says. Every text in it is untrusted."""

    parents: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""
    author: str = ""


def parse_commit(found: tuple[str, bytes | None] | None) -> Commit:
    """A commit as `Objects.read` gives it; an empty one for anything else."""
    if found is None or found[0] != "commit" or not found[1]:
        return Commit()
    headers, _, message = found[1].decode("utf-8", "replace").partition("\n\n")
    subject, _, body = message.strip().partition("\n")
    author = re.search(r"^author (.*?) ?<", headers, re.M)
    parents = tuple(re.findall(r"^parent ([0-9a-f]{40,64})$", headers, re.M))
    return Commit(parents, subject, body.strip(), author[1] if author else "")


class Repository(Protocol):
    """What can give a file of a tree or commit (id); `infra.git.Git` does."""

    def blob(self, treeish: str, path: str) -> bytes | None:
        """The content of a regular file."""


class TreeFiles:
    """The files on both sides of a change between two trees (core.change.Files)."""

    def __init__(self, git: Repository, *, base: str, head: str) -> None:
        self._git, self._base, self._head = git, base, head

    def head(self, path: str) -> bytes | None:
        """The file after the change."""
        return self._git.blob(self._head, path)

    def base(self, path: str) -> bytes | None:
        """The file before the change."""
        return self._git.blob(self._base, path)
