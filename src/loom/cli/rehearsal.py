"""A platform that only says what would be written: for `--dry-run`. Reading goes to the real one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from loom.core.result import Action
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

if TYPE_CHECKING:
    from loom.platforms.base import Platform, Profile

Say = Callable[[Iterable[str]], None]


class Rehearsal:
    """`base.Platform`: what reads is asked of `real`, what writes is said."""

    def __init__(self, real: Platform, *, say: Say) -> None:
        self._real = real
        self.profile: Profile = real.profile
        self._say = say
        self._numbers = itertools.count(1)

    @property
    def actions(self) -> Sequence[Action]:
        """None: nothing is written."""
        return ()

    # ---- reading

    async def probe(self) -> Profile:  # noqa: D102 (as base.Reader says, here and below)
        return await self._real.probe()

    async def pull_request(self) -> PullRequest:  # noqa: D102
        return await self._real.pull_request()

    async def diff(self, pr: PullRequest) -> PlatformDiff:  # noqa: D102
        return await self._real.diff(pr)

    async def file(self, path: str, ref: str, *, fork: bool = False) -> bytes | None:  # noqa: D102
        return await self._real.file(path, ref, fork=fork)

    async def threads(self, pr: PullRequest) -> tuple[Thread, ...]:  # noqa: D102
        return await self._real.threads(pr)

    async def merge_base(self, base: str, head: str) -> str | None:  # noqa: D102
        return await self._real.merge_base(base, head)

    async def pr_of_commit(self, sha: str) -> int | None:  # noqa: D102
        return await self._real.pr_of_commit(sha)

    def clone_url(self) -> str:  # noqa: D102
        return self._real.clone_url()

    def git_credential(self) -> tuple[str, str] | None:  # noqa: D102
        return self._real.git_credential()

    async def access_of(self, user: str) -> Access:  # noqa: D102
        return await self._real.access_of(user)

    def hide(self, marker: str) -> str:  # noqa: D102
        return self._real.hide(marker)

    def suggestion(self, draft: Draft) -> str:  # noqa: D102
        return self._real.suggestion(draft)

    def permalink(self, pr: PullRequest, path: str, line: int | None, end_line: int | None) -> str:  # noqa: D102
        return self._real.permalink(pr, path, line, end_line)

    async def aclose(self) -> None:  # noqa: D102
        await self._real.aclose()

    # ---- writing

    async def discard_pending(self, pr: PullRequest) -> int:
        """Nothing is discarded."""
        return 0

    async def post_review(self, pr: PullRequest, drafts: Sequence[Draft], body: str, verdict: Verdict) -> list[Posted]:
        """Say the review."""
        self._told(f"one review ({verdict}) with {len(drafts)} comments", body)
        return [self._draft(draft) for draft in drafts]

    async def post_single(self, pr: PullRequest, draft: Draft) -> Posted:
        """Say the comment."""
        return self._draft(draft)

    async def create_comment(self, pr: PullRequest, body: str) -> Comment:
        """Say the comment."""
        self._told("a comment", body)
        return self._comment(body)

    async def edit_comment(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """Say the new text."""
        self._told(f"new text for comment {thread.comments[0].id}", body)
        return self._comment(body)

    async def reply(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """Say the answer."""
        self._told(f"an answer to comment {thread.comments[0].id}", body)
        return self._comment(body)

    async def resolve(self, pr: PullRequest, thread: Thread) -> None:
        """Say it."""
        self._told(f"resolve the thread of comment {thread.comments[0].id}")

    async def minimise(self, pr: PullRequest, thread: Thread) -> None:
        """Say it."""
        self._told(f"fold comment {thread.comments[0].id} away")

    async def delete_comment(self, pr: PullRequest, thread: Thread) -> None:
        """Say it."""
        self._told(f"delete our second comment {thread.comments[0].id}")

    async def react(self, comment_id: str, emoji: str, *, inline: bool) -> None:
        """Say it."""
        self._told(f"react to comment {comment_id} with {emoji}")

    async def set_status(self, pr: PullRequest, status: Status) -> list[Posted]:
        """Say the status."""
        self._told(f"status {status.state}: {status.title}")
        return [Posted(fingerprint=note.fingerprint, ok=True) for note in status.notes]

    # ---- saying

    def _draft(self, draft: Draft) -> Posted:
        anchor = draft.anchor
        lines = "" if anchor.line is None else f":{anchor.start_line or anchor.line}"
        lines += f"-{anchor.line}" if anchor.start_line is not None and anchor.start_line != anchor.line else ""
        removed = " (removed)" if anchor.side == "old" and anchor.line is not None else ""
        text = draft.body if draft.suggestion is None else f"{draft.body}\n\n{self._real.suggestion(draft)}"
        self._told(f"a comment on {anchor.path}{lines}{removed}", text)
        return Posted(fingerprint=draft.fingerprint, ok=True, comment_id=f"dry-run-{next(self._numbers)}")

    def _told(self, what: str, body: str = "") -> None:
        self._say([f"would post {what}", *(f"  | {line}" for line in body.split("\n") if body), ""])

    def _comment(self, body: str) -> Comment:
        number = next(self._numbers)
        return Comment(
            id=f"dry-run-{number}", body=body, author="", by_self=True, by_bot=True, created_at="1970-01-01T00:00:00Z"
        )
