"""What a push brings to its remote, told by the lines that git gives a pre-push hook; and where hooks are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loom.infra import process
from loom.infra.git_config import Config
from loom.infra.git_place import Place

_ZERO = re.compile("0+")
_MOST_REFS = 500
"""Remote-tracking refs that are looked at, the latest first: each is a word of a command line."""


@dataclass(frozen=True, slots=True)
class Update:
    """One ref that a push moves. https://git-scm.com/docs/githooks#_pre_push"""

    local_ref: str
    local: str
    """An object id; zeros when the ref is deleted."""
    remote_ref: str
    remote: str
    """What the remote has there; zeros when it is new."""

    @property
    def brings_commits(self) -> bool:
        """Whether it can: deleting brings nothing, and what a tag names is reviewed with its branch."""
        return not _ZERO.fullmatch(self.local) and not self.remote_ref.startswith(("refs/tags/", "refs/notes/"))


def updates(lines: str) -> tuple[Update, ...]:
    """The standard input of a pre-push hook. The first word may hold blanks (`HEAD@{1 day ago}`)."""
    split = (line.rsplit(" ", 3) for line in lines.splitlines())
    return tuple(Update(*words) for words in split if len(words) == 4)


@dataclass(frozen=True, slots=True)
class Pushing:
    """One repository as seen by a hook. Made by `Git.pushing`."""

    call: Callable[..., process.Completed]
    """git in the repository's own git directory, to read refs and commits."""
    failed: Callable[[str, process.Completed], Exception]
    resolve: Callable[[str], str | None]
    """A revision's commit id; None when there is none."""
    place: Place
    root: Path | None
    config: Config

    def pushed(self, update: Update, remote: str) -> tuple[str | None, str] | None:
        """The ids of the commits between which the pushed ones are: the best one that they share with what the remote
        is known to have (None: it has nothing of it), and the pushed one. None when there is nothing new in it.

        Where several are as good (the target branch was merged into a pushed one), it is the one of the remote's
        default branch: else everything that others did there would count as pushed.
        """
        local = self.resolve(update.local)
        if local is None:  # a tree or a blob
            return None
        default, known = self._known(remote)
        there = None if _ZERO.fullmatch(update.remote) else self.resolve(update.remote)
        bases = self._merge_bases(local, *dict.fromkeys([*([there] if there else []), *known]))
        if default is not None:
            bases = sorted(bases, key=lambda base: self._merge_bases(base, default) != [base])
        base = bases[0] if bases else None
        return None if base == local else (base, local)

    def _known(self, remote: str) -> tuple[str | None, list[str]]:
        """What is known of the remote: its default branch, and all of its branches. A remote that is only an address
        has none of its own; then those of all remotes count."""
        for pattern in (f"refs/remotes/{remote}/", "refs/remotes/"):
            done = self.call(
                "for-each-ref", "--sort=-committerdate", f"--count={_MOST_REFS}", "--format=%(objectname) %(refname)",
                pattern,
            )  # fmt: skip
            if done.returncode != 0:
                raise self.failed("for-each-ref", done)
            rows = [line.partition(" ") for line in done.stdout.decode("utf-8", "surrogateescape").splitlines()]
            if rows:
                default = next((sha for sha, _, name in rows if name.endswith("/HEAD")), None)
                names = {name.rpartition("/")[2]: sha for sha, _, name in rows}
                return default or names.get("main") or names.get("master"), [sha for sha, _, _ in rows]
        return None, []

    def _merge_bases(self, commit: str, *others: str) -> list[str]:
        """The best common ancestors of the commit and of the others taken together."""
        if not others:
            return []
        done = self.call("merge-base", "--all", commit, *others)
        if done.returncode not in (0, 1):
            raise self.failed("merge-base", done)
        return done.stdout.decode("ascii").split()

    def hooks(self, environ: Mapping[str, str]) -> Path:
        """The folder git takes hooks from: `core.hooksPath` (relative to where hooks run), else the one that all work
        trees share."""
        named = [s.value for s in self.config if s.key == "core.hookspath" and s.scope != "command" and s.value]
        if not named or named[-1] is None:
            return self.place.common_dir / "hooks"
        if named[-1].startswith("~/") and environ.get("HOME"):
            return Path(environ["HOME"]) / named[-1][2:]
        return (self.root or self.place.git_dir) / named[-1]
