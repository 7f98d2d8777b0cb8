"""What every forge has: a bare repository, pull requests with their real merge bases, people, tokens, what was said.

A platform's fake keeps its own rules; it asks here for facts and stores here what was written, so that a test can look
at what ended up on the forge without knowing the platform.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from support.forge.diffs import Diff, Side, diff_of
from support.repos import Repo

Role = Literal["none", "read", "write", "admin"]
Files = Mapping[str, str | bytes | None]
"""Contents by path; None deletes."""


@dataclass(slots=True)
class User:
    """Somebody with an account."""

    id: int
    login: str
    bot: bool = False


@dataclass(slots=True)
class Credential:
    """A token: whose it is and what it may do ("contents" -> "read" or "write")."""

    value: str
    user: User
    permissions: dict[str, str]
    kind: str = "pat"
    """`installation` for tokens of apps and CI jobs, which cannot ask who they are."""

    def may(self, permission: str, level: Literal["read", "write"]) -> bool:
        has = self.permissions.get(permission, "none")
        return has == "write" or (has == "read" and level == "read")


@dataclass(slots=True)
class Pull:
    """A pull request."""

    number: int
    title: str
    body: str
    author: User
    branch: str
    target: str
    head: str
    source_repo: str | None
    """None: the fork was deleted."""
    fork: bool = False
    draft: bool = False
    open: bool = True
    labels: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    """Every head it ever had."""


@dataclass(slots=True)
class Said:
    """One comment: general (no path), or in a thread."""

    id: int
    pull: int
    author: User
    body: str
    created: str
    updated: str
    thread: int | None = None
    """The thread's number; None for a general comment."""
    review: int | None = None
    reactions: list[tuple[str, str]] = field(default_factory=list)
    """(content, login)."""
    minimised: str | None = None
    deleted: bool = False
    edits: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    """What only this platform has."""


@dataclass(slots=True)
class Talk:
    """A thread on a line, a range or a file."""

    id: int
    pull: int
    path: str
    side: Side
    line: int | None
    """None: the file as a whole."""
    start_line: int | None
    commit: str
    resolved: bool = False
    resolved_by: str | None = None
    outdated: bool = False
    comments: list[Said] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Review:
    """A submitted or pending review."""

    id: int
    pull: int
    author: User
    state: str
    """PENDING, COMMENTED, APPROVED, CHANGES_REQUESTED, DISMISSED."""
    body: str
    commit: str
    created: str
    drafts: list[dict[str, Any]] = field(default_factory=list)
    """Comments that nobody sees yet."""


@dataclass(slots=True)
class Mark:
    """A commit status or a check run."""

    id: int
    sha: str
    name: str
    state: str
    description: str
    kind: Literal["status", "check"] = "status"
    notes: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


class Forge:
    """One project with its people. Changing methods may be called from tests and from the server's threads."""

    def __init__(self, root: Path, *, name: str = "octo/demo", bot: str = "loom-bot") -> None:
        self.name = name
        self.repo = Repo.init(root / "origin.git", "--bare")
        empty = self.repo.git("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")
        first = self.repo.git("commit-tree", empty, "-m", "start")
        self.repo.git("update-ref", "refs/heads/main", first)
        for setting in ("uploadpack.allowAnySHA1InWant", "http.uploadpack"):
            self.repo.git("config", setting, "true")
        self.repo.git("worktree", "add", "-q", "--detach", str(root / "work"), first)
        self._work = Repo(root / "work")
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        self.tokens: dict[str, Credential] = {}
        self.pulls: dict[int, Pull] = {}
        self.said: list[Said] = []
        """Every comment ever, general and in threads, in order; deleted ones are marked so."""
        self.talks: list[Talk] = []
        self.reviews: list[Review] = []
        self.marks: list[Mark] = []
        self._ids = itertools.count(1001)
        self._moment = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        self._diffs: dict[tuple[str, str], Diff] = {}
        self.owner = self.add_user(name.partition("/")[0], "admin")
        self.bot = self.add_user(bot, "write", bot=True)

    # -- people -------------------------------------------------------------------------------------------------------

    def add_user(self, login: str, role: Role = "none", *, bot: bool = False) -> User:
        """Somebody with a role in the project."""
        user = self.users.setdefault(login, User(self.next_id(), login, bot))
        self.roles[login] = role
        return user

    def add_token(self, login: str | None = None, *, kind: str = "pat", prefix: str = "tok", **permissions: str) -> str:
        """A token of a user (the bot, unless named) with these permissions; its value."""
        user = self.users[login] if login else self.bot
        value = f"{prefix}_{self.next_id()}q0Zx8rT3mVb7Lk"
        self.tokens[value] = Credential(value, user, permissions, kind)
        return value

    def role_of(self, login: str) -> Role:
        """What somebody may do in the project."""
        return self.roles.get(login, "none")

    # -- commits and pull requests ------------------------------------------------------------------------------------

    def commit(self, branch: str, files: Files, *, start: str | None = None, message: str = "change") -> str:
        """Commit on a branch (made at `start`, or at main's tip, when it is new); the commit's id."""
        with self.lock:
            known = self.repo.git("rev-parse", "-q", "--verify", f"refs/heads/{branch}", ok=False)
            return self._commit(known or self.tip(start or "main"), f"refs/heads/{branch}", files, message)

    def _commit(self, at: str, ref: str, files: Files, message: str) -> str:
        self._work.git("checkout", "-q", "--detach", "-f", at)
        self._work.write({path: content for path, content in files.items() if content is not None})
        for path, content in files.items():
            if content is None:
                (self._work.root / path).unlink()
        sha = self._work.commit(message)
        self.repo.git("update-ref", ref, sha)
        return sha

    def tip(self, name: str) -> str:
        """The commit of a branch, or of any revision."""
        found = self.repo.git("rev-parse", "-q", "--verify", f"refs/heads/{name}", ok=False)
        return found or self.repo.git("rev-parse", "-q", "--verify", f"{name}^{{commit}}")

    def open_pull(
        self,
        files: Files,
        *,
        title: str = "A change",
        body: str = "",
        branch: str = "topic",
        target: str = "main",
        author: str | None = None,
        fork: bool = False,
        draft: bool = False,
        labels: tuple[str, ...] = (),
        start: str | None = None,
    ) -> Pull:
        """A pull request with one commit. That of a fork lives under `refs/pull/N/head` only."""
        with self.lock:
            number = len(self.pulls) + 1
            who = self.users[author] if author else self.add_user("stranger" if fork else "alice", "read")
            ref = f"refs/pull/{number}/head"
            head = self._commit(self.tip(start or target), ref, files, title)
            if not fork:
                self.repo.git("update-ref", f"refs/heads/{branch}", head)
            source = f"{who.login}/{self.name.rpartition('/')[2]}" if fork else self.name
            pull = Pull(number, title, body, who, branch, target, head, source, fork, draft, True, list(labels), [head])
            self.pulls[number] = pull
            return pull

    def push(self, pull: Pull, files: Files, *, message: str = "more", force_from: str | None = None) -> str:
        """Another commit on a pull request (on another base with `force_from`); the new head."""
        with self.lock:
            head = self._commit(force_from or pull.head, f"refs/pull/{pull.number}/head", files, message)
            if not pull.fork:
                self.repo.git("update-ref", f"refs/heads/{pull.branch}", head)
            pull.head = head
            pull.heads.append(head)
            for talk in self.talks_of(pull.number):
                talk.outdated = talk.outdated or self._moved(talk, pull)
            return head

    def _moved(self, talk: Talk, pull: Pull) -> bool:
        """Whether the line of a thread reads differently now."""
        if talk.line is None:
            return False
        sides = (talk.commit, pull.head) if talk.side == "new" else (self.merge_base(pull), self.merge_base(pull))
        texts = [(self.blob(sha, talk.path) or b"").split(b"\n")[talk.line - 1 : talk.line] for sha in sides]
        return texts[0] != texts[1]

    def merge_base(self, pull: Pull) -> str:
        """Where the pull request left its target."""
        return self.repo.git("merge-base", self.tip(pull.target), pull.head)

    def diff(self, pull: Pull) -> Diff:
        """From the merge base to the head, as git prints it."""
        return self.diff_between(self.merge_base(pull), pull.head)

    def diff_between(self, old: str, new: str) -> Diff:
        """`git diff` of two commits; asked once for each pair."""
        with self.lock:
            if (old, new) not in self._diffs:
                self._diffs[old, new] = diff_of(self.repo, old, new)
            return self._diffs[old, new]

    def entry(self, rev: str, path: str) -> tuple[str, str, str] | None:
        """(mode, type, sha) of a path in a commit; None where it is not there."""
        line = self.repo.git("ls-tree", rev, "--", path, ok=False)
        if not line:
            return None
        mode, kind, sha = line.partition("\t")[0].split(" ")
        return mode, kind, sha

    def blob(self, rev: str, path: str) -> bytes | None:
        """A file in a commit; None where it is not there or no file."""
        found = self.entry(rev, path)
        return self.object(found[2]) if found is not None and found[1] == "blob" else None

    def object(self, sha: str) -> bytes:
        """The bytes of a blob."""
        text = self.repo.git("cat-file", "blob", sha)
        size = int(self.repo.git("cat-file", "-s", sha))
        data = text.encode("utf-8", "surrogateescape")
        return data + b"\n" * (size - len(data))  # `Repo.git` takes the last line feed away

    def has_commit(self, sha: str) -> bool:
        """Whether this names a commit here."""
        return bool(self.repo.git("rev-parse", "-q", "--verify", f"{sha}^{{commit}}", ok=False))

    # -- what was said ------------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        """An id that nothing else has."""
        return next(self._ids)

    def now(self) -> str:
        """The time, a second later at every look, so that order shows."""
        with self.lock:
            self._moment += timedelta(seconds=1)
            return self._moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def say(self, pull: int, author: User, body: str, *, talk: Talk | None = None, review: int | None = None) -> Said:
        """A comment: general, or in a thread."""
        with self.lock:
            moment = self.now()
            said = Said(self.next_id(), pull, author, body, moment, moment, talk.id if talk else None, review)
            self.said.append(said)
            if talk is not None:
                talk.comments.append(said)
            return said

    def start_talk(
        self, pull: int, path: str, side: Side, line: int | None, *, start_line: int | None = None, commit: str = ""
    ) -> Talk:
        """An empty thread; `say` its first comment next."""
        with self.lock:
            head = commit or self.pulls[pull].head
            talk = Talk(self.next_id(), pull, path, side, line, start_line, head)
            self.talks.append(talk)
            return talk

    def edit(self, said: Said, body: str) -> None:
        """New text."""
        with self.lock:
            said.body, said.updated, said.edits = body, self.now(), said.edits + 1

    def talks_of(self, pull: int) -> Iterator[Talk]:
        """The threads of a pull request that still have a comment."""
        return (talk for talk in self.talks if talk.pull == pull and any(not said.deleted for said in talk.comments))

    def general(self, pull: int) -> list[Said]:
        """The general comments of a pull request."""
        return [said for said in self.said if said.pull == pull and said.thread is None and not said.deleted]

    def inline(self, pull: int) -> list[Said]:
        """The comments in threads of a pull request."""
        return [said for said in self.said if said.pull == pull and said.thread is not None and not said.deleted]

    def find_said(self, id_: int) -> Said | None:
        """A comment that is there."""
        return next((said for said in self.said if said.id == id_ and not said.deleted), None)

    def find_talk(self, id_: int | None) -> Talk | None:
        """A thread."""
        return next((talk for talk in self.talks if talk.id == id_), None)
