"""A platform in memory, with a forge's real rules and faults: places only on lines of the diff, one bad comment rejects
a batch, drafts stay behind, permissions, limits, and writes that happen although no answer comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from loom.core.change import ChangeRef
from loom.core.result import Action, ResultFile
from loom.platforms.base import (
    Cap,
    DeniedError,
    DownError,
    Limits,
    MissingError,
    PlatformError,
    Profile,
    RejectedError,
)
from loom.platforms.values import (
    Access,
    Comment,
    Draft,
    PlatformDiff,
    Posted,
    PullRequest,
    Status,
    Thread,
    Verdict,
)

HEAD = "9b2d1c0e8f7a6b5c4d3e2f1a0b9c8d7e6f504132"
NEXT = "1111111111111111111111111111111111111111"
ALL = ~Cap(0)
EVERY = Profile(caps=ALL & ~Cap.DELETE_COMMENT, limits=Limits(comment=65_000, summary=65_000), login="loom[bot]")
PR = PullRequest(
    number=12, title="Add coupons", body="", author="mallory", author_is_bot=False, draft=False, open=True, labels=(),
    source_branch="coupons", target_branch="main", head_sha=HEAD, base_sha="b" * 40, merge_base="b" * 40, fork=True,
    source_repo="mallory/shop", changed_files=1, web_url="https://forge.invalid/acme/shop/pull/12", comments=0,
)  # fmt: skip
REF = ChangeRef(
    "pr", platform="github", repo="acme/shop", number=12, title="Add coupons", head_sha=HEAD, base_sha="b" * 40
)


@dataclass
class Fault:
    """Something that goes wrong at the `at`-th call (from 1) of a write; 0: at every call."""

    verb: str
    error: Callable[[], PlatformError]
    at: int = 1
    acts: bool = False
    """The server acts all the same."""


def lost(verb: str, at: int = 1, *, acts: bool = True) -> Fault:
    """No answer comes."""
    return Fault(verb, lambda: DownError("no answer came", acted=True), at, acts)


def denied(verb: str, at: int = 0) -> Fault:
    return Fault(
        verb, lambda: DeniedError("403", said="Resource not accessible", hint="grant `pull-requests: write`"), at
    )


@dataclass
class MemoryPlatform:
    """One pull request on a forge that lives in memory. `files` is its true diff."""

    files: Sequence[ResultFile]
    profile: Profile = EVERY
    user: str = "loom[bot]"
    faults: list[Fault] = field(default_factory=list)
    pr: PullRequest = PR
    stored: list[Thread] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    verdicts: list[tuple[Verdict, str]] = field(default_factory=list)
    access: dict[str, Access] = field(default_factory=dict)
    bad_lines: set[int] = field(default_factory=set)
    """Lines that the server refuses although they stand in the diff."""
    bad_files: set[str] = field(default_factory=set)
    pending: list[str] = field(default_factory=list)
    """Owners of unsent drafts: "loom", "human"."""
    after: Callable[[str], None] = lambda verb: None
    """Called when a write or a read of the pull request begins: what others do meanwhile."""
    log: list[str] = field(default_factory=list)
    """Every request by its verb."""
    true_limit: int | None = None
    """Characters of any comment, where the server takes fewer than its profile says."""
    unseen: bool = False
    """Whether the platform does not count comments."""
    hidden: Callable[[str], str] = lambda marker: f"<!-- {marker} -->"
    _calls: dict[str, int] = field(default_factory=dict)
    _next: int = 100

    # ---- reading

    async def probe(self) -> Profile:
        return self.profile

    async def pull_request(self) -> PullRequest:
        self._begin("pull_request")
        return self.now()

    def now(self) -> PullRequest:
        """The pull request as it is."""
        count = sum(len(t.comments) for t in self.stored)
        return replace(self.pr, comments=None if self.unseen else count)

    async def threads(self, pr: PullRequest) -> tuple[Thread, ...]:
        self._begin("threads")
        return self.seen()

    def seen(self) -> tuple[Thread, ...]:
        """All threads as the current user sees them."""
        return tuple(
            replace(
                t,
                comments=tuple(replace(c, by_self=c.author == self.user) for c in t.comments),
                resolved_by_self=t.resolved and t.resolved_by == self.user,
            )
            for t in self.stored
        )

    async def diff(self, pr: PullRequest) -> PlatformDiff:
        raise MissingError("not here")

    async def file(self, path: str, ref: str, *, fork: bool = False) -> bytes | None:
        return None

    async def merge_base(self, base: str, head: str) -> str | None:
        return self.pr.merge_base

    async def pr_of_commit(self, sha: str) -> int | None:
        return self.pr.number

    def clone_url(self) -> str:
        return "https://forge.invalid/acme/shop.git"

    def git_credential(self) -> tuple[str, str] | None:
        return None

    async def access_of(self, user: str) -> Access:
        return self.access.get(user, "none")

    # ---- writing

    async def discard_pending(self, pr: PullRequest) -> int:
        self._begin("discard_pending")
        ours = self.pending.count("loom")
        self.pending = [owner for owner in self.pending if owner != "loom"]
        if self.pending:
            raise RejectedError("422", said="User can only have one pending review per pull request", status=422)
        return ours

    async def post_review(self, pr: PullRequest, drafts: Sequence[Draft], body: str, verdict: Verdict) -> list[Posted]:
        fault = self._begin("post_review")
        if self.pending:
            raise RejectedError("422", said="User can only have one pending review per pull request", status=422)
        if verdict == "approve" and self.pr.author == self.user:
            raise RejectedError("422", said="Can not approve your own pull request", status=422)
        if any(self._refused(draft) or draft.anchor.line is None for draft in drafts):
            raise RejectedError("422", said="line must be part of the diff", status=422)
        if verdict != "comment":
            self.verdicts.append((verdict, body))
        posted = [self._post(draft) for draft in drafts]
        self._end(fault)
        return posted

    async def post_single(self, pr: PullRequest, draft: Draft) -> Posted:
        fault = self._begin("post_single")
        if self.pending:
            raise RejectedError("422", said="User can only have one pending review per pull request", status=422)
        if reason := self._refused(draft):
            raise RejectedError("422", said=reason, status=422)
        posted = self._post(draft)
        self._end(fault)
        return posted

    async def create_comment(self, pr: PullRequest, body: str) -> Comment:
        fault = self._begin("create_comment")
        self._check_size(body, self.profile.limits.summary)
        comment = self.say(body).comments[0]
        self._end(fault)
        return comment

    async def edit_comment(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        fault = self._begin("edit_comment")
        at, there = self._find(thread)
        root = there.comments[0]
        if root.author != self.user:
            raise DeniedError("403", said="not your comment")
        self._check_size(body, self.profile.limits.summary)
        self.stored[at] = replace(there, comments=(replace(root, body=body), *there.comments[1:]))
        self._end(fault)
        return self.stored[at].comments[0]

    async def reply(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        fault = self._begin("reply")
        comment = self.answer(thread, self.user, body)
        self._end(fault)
        return comment

    async def resolve(self, pr: PullRequest, thread: Thread) -> None:
        fault = self._begin("resolve")
        at, there = self._find(thread)
        self.stored[at] = replace(there, resolved=True, resolved_by=self.user)
        self._end(fault)

    async def minimise(self, pr: PullRequest, thread: Thread) -> None:
        self._end(self._begin("minimise"))

    async def delete_comment(self, pr: PullRequest, thread: Thread) -> None:
        fault = self._begin("delete_comment")
        self.stored = [t for t in self.stored if t.id != thread.id]
        self._end(fault)

    async def react(self, comment_id: str, emoji: str, *, inline: bool) -> None:
        self._begin("react")

    async def set_status(self, pr: PullRequest, status: Status) -> list[Posted]:
        fault = self._begin("set_status")
        self.statuses.append(status)
        self._end(fault)
        return [Posted(fingerprint=note.fingerprint, ok=True) for note in status.notes]

    @property
    def actions(self) -> Sequence[Action]:
        return [Action("2026-11-21T00:00:00Z", verb, "", 201) for verb in self.writes]

    @property
    def writes(self) -> list[str]:
        """The verbs of all requests that write."""
        return [verb for verb in self.log if verb not in ("pull_request", "threads", "discard_pending")]

    # ---- text

    def hide(self, marker: str) -> str:
        return self.hidden(marker)

    def suggestion(self, draft: Draft) -> str:
        return f"```suggestion\n{draft.suggestion}\n```"

    def permalink(self, pr: PullRequest, path: str, line: int | None, end_line: int | None) -> str:
        return f"https://forge.invalid/acme/shop/blob/{pr.head_sha}/{path}" + (f"#L{line}-L{end_line}" if line else "")

    async def aclose(self) -> None:
        return None

    # ---- what people do

    def say(self, body: str, author: str | None = None) -> Thread:
        """A general comment."""
        return self._add(body, author or self.user)

    def answer(self, thread: Thread, author: str, body: str) -> Comment:
        """An answer in a thread."""
        at, there = self._find(thread)
        self._next += 1
        comment = _comment(str(self._next), body, author, self._next)
        self.stored[at] = replace(there, comments=(*there.comments, comment))
        return comment

    def change(self, thread: Thread, **changes: object) -> None:
        """Anything else that happens to a thread."""
        at, there = self._find(thread)
        self.stored[at] = replace(there, **changes)  # type: ignore[arg-type] # any of a thread's fields

    def remove(self, thread: Thread) -> None:
        """Somebody deletes it."""
        self.stored = [t for t in self.stored if t.id != thread.id]

    @property
    def inline(self) -> list[Thread]:
        """The threads on files."""
        return [t for t in self.stored if t.path is not None]

    @property
    def summaries(self) -> list[str]:
        """The bodies of general comments by Loom."""
        return [t.comments[0].body for t in self.stored if t.path is None and t.comments[0].author.startswith("loom")]

    # ---- rules

    def _begin(self, verb: str) -> Fault | None:
        self.after(verb)
        self.log.append(verb)
        self._calls[verb] = self._calls.get(verb, 0) + 1
        fault = next((f for f in self.faults if f.verb == verb and f.at in (0, self._calls[verb])), None)
        if fault is not None and not fault.acts:
            raise fault.error()
        return fault

    @staticmethod
    def _end(fault: Fault | None) -> None:
        if fault is not None:
            raise fault.error()

    def _refused(self, draft: Draft) -> str:
        """Why the server would not take the draft."""
        at = draft.anchor
        if self.profile.caps & Cap.FILE_COMMENT and at.line is None:
            return "file comments are not possible here" if at.path in self.bad_files else ""
        lines = _lines(self.files, at.path, at.side)
        if at.line not in lines or at.line in self.bad_lines:
            return "line must be part of the diff"
        if at.start_line is not None:
            if Cap.MULTILINE not in self.profile.caps or at.start_line >= at.line:
                return "start line must precede the end line"
            if lines.get(at.start_line) != lines[at.line]:
                return "start line must be part of the same hunk as the line"
        self._check_size(draft.body, self.profile.limits.comment)
        return ""

    def _check_size(self, body: str, limit: int) -> None:
        if len(body) > min(limit, self.true_limit or limit):
            raise RejectedError("422", said="body is too long", status=422)

    def _post(self, draft: Draft) -> Posted:
        parts = [draft.body, self.suggestion(draft) if draft.suggestion is not None else "", self.hide(draft.marker)]
        body = "\n\n".join(part for part in parts if part)
        self._check_size(body, self.profile.limits.comment)
        thread = self._add(body, self.user, draft)
        return Posted(fingerprint=draft.fingerprint, ok=True, comment_id=thread.comments[0].id, thread_id=thread.id)

    def _add(self, body: str, author: str, draft: Draft | None = None) -> Thread:
        self._next += 1
        thread = Thread(
            id=f"t{self._next}",
            comments=(_comment(str(self._next), body, author, self._next),),
            path=draft.anchor.path if draft else None,
            line=draft.anchor.line if draft else None,
            side=draft.anchor.side if draft else "new",
            resolvable=draft is not None,
        )
        self.stored.append(thread)
        return thread

    def _find(self, thread: Thread) -> tuple[int, Thread]:
        for at, there in enumerate(self.stored):
            if there.id == thread.id:
                return at, there
        raise MissingError("404")


def _comment(ident: str, body: str, author: str, n: int) -> Comment:
    return Comment(
        id=ident, body=body, author=author, by_self=False, by_bot=author.endswith("[bot]"),
        created_at=f"2026-11-21T00:00:{n:06}Z",
    )  # fmt: skip


def _lines(files: Sequence[ResultFile], path: str, side: str) -> dict[int, int]:
    """Line -> its hunk, counted from the diff without Loom's code."""
    found: dict[int, int] = {}
    for file in (f for f in files if f.path == path):
        for index, hunk in enumerate(file.hunks):
            number, skip = (hunk.new_start, "-") if side == "new" else (hunk.old_start, "+")
            for kind, _ in hunk.lines:
                if kind != skip:
                    found[number] = index
                    number += 1
    return found
