"""The contracts of a platform, split by who calls them: reading a change, publishing a review, asking for rights.

A platform is one file with one class. What it can do is one frozen `Profile`, found by probing version and token once;
what is missing carries how to get it. What to post is decided in `engine.posting`; a platform executes, and says of
every draft what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Protocol, runtime_checkable

from loom.core.change import ChangeSet, Files
from loom.core.errors import UnitError
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

Reading = tuple[ChangeSet, Files]
"""A change, and the whole files on both sides of it as far as they are known."""


class Cap(Flag):
    """What a platform, in this version and with this token, can do."""

    BATCH_REVIEW = auto()
    """One request, or stage and publish: one notification for all comments."""
    ATOMIC_BATCH = auto()
    """All or nothing."""
    MULTILINE = auto()
    OLD_SIDE = auto()
    CONTEXT_LINES = auto()
    FILE_COMMENT = auto()
    SUGGESTIONS = auto()
    EDIT_COMMENT = auto()
    RESOLVE = auto()
    MINIMISE = auto()
    DELETE_COMMENT = auto()
    """Our own comments can be taken back (`Publisher.delete_comment`)."""
    REACTIONS = auto()
    APPROVE = auto()
    REQUEST_CHANGES = auto()
    COMMIT_STATUS = auto()
    CHECK_RUN = auto()
    """A status that carries annotations on any line."""
    HTML_MARKER = auto()
    """HTML comments are hidden from readers."""
    DETAILS_TAG = auto()
    """`<details>` folds."""
    ACCESS_LOOKUP = auto()
    RAW_DIFF = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much fits."""

    comment: int
    """Characters of one comment, marker and suggestion included."""
    summary: int
    inline_per_review: int = 30
    """Our own ceiling, against abuse detection; the rest stands in the summary."""
    notes_per_request: int = 50
    notes_total: int = 1_000
    write_gap_s: float = 0.0
    """Least time between the starts of two writes that create content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What can be done here and now."""

    caps: Cap
    limits: Limits
    server_version: str | None = None
    login: str | None = None
    """Whose token it is; None where the platform does not tell."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Name of a capability -> how to get it: "grant `contents: write`"."""


class PlatformError(UnitError):
    """A platform's API said no, or nothing usable. `status` 0: no answer came."""

    default_slug = "platform"

    def __init__(
        self, message: str, *, hint: str = "", slug: str | None = None, status: int = 0, said: str = ""
    ) -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.status = status
        self.said = said
        """The server's own words, short, without secrets; untrusted."""


class AuthError(PlatformError):
    """The token is missing, wrong or expired (401, or a sign-in page)."""

    default_slug = "platform-auth"


class DeniedError(PlatformError):
    """The token lacks a permission (403, or a 404 that hides one)."""

    default_slug = "platform-denied"


class MissingError(PlatformError):
    """There is no such pull request, file or comment."""

    default_slug = "platform-missing"


class RejectedError(PlatformError):
    """The server refused what was sent (400, 422): an anchor, a body that is too long, a pending review."""

    default_slug = "platform-rejected"


class StaleError(PlatformError):
    """The head moved, or somebody else changed the thing meanwhile (409)."""

    default_slug = "platform-stale"


class LimitedError(PlatformError):
    """A rate limit that outlasts our patience."""

    default_slug = "platform-limited"


class DownError(PlatformError):
    """5xx, or the network. `acted`: whether the server may have acted all the same (a write without an answer)."""

    default_slug = "platform-down"

    def __init__(self, message: str, *, hint: str = "", status: int = 0, said: str = "", acted: bool = False) -> None:
        super().__init__(message, hint=hint, status=status, said=said)
        self.acted = acted


class Reader(Protocol):
    """Reading one pull request."""

    async def probe(self) -> Profile:
        """Version and token. Asked once. Raises AuthError, DownError; a lacking permission is in `missing`."""

    async def pull_request(self) -> PullRequest:
        """The pull request as it is now. Raises MissingError, AuthError, DeniedError, DownError."""

    async def diff(self, pr: PullRequest) -> PlatformDiff:
        """From the merge base, over the API; git is tried first by the caller. Raises PlatformError when nothing can be
        read; a part that cannot is in `unread`."""

    async def file(self, path: str, ref: str, *, fork: bool = False) -> bytes | None:
        """A file at a commit; None when it is not there, is no regular file, or is larger than 5 MB."""

    async def threads(self, pr: PullRequest) -> tuple[Thread, ...]:
        """Everything said on the pull request: inline and general, resolved ones too, all pages, oldest first."""

    async def merge_base(self, base: str, head: str) -> str | None:
        """The merge base of two commits; None where the platform cannot tell."""

    async def pr_of_commit(self, sha: str) -> int | None:
        """The open pull request whose head is this commit."""

    def clone_url(self) -> str:
        """Where git can fetch the target repository (and its pull requests' heads) from, without credentials."""

    def git_credential(self) -> tuple[str, str] | None:
        """(user name, token) for git over https; None without a token."""


@runtime_checkable
class Lister(Protocol):
    """Reading folders: for configuration where there is no git. A platform without it still serves; then a review that
    cannot use git is incomplete, because the team's own rules cannot be found."""

    async def names(self, folder: str, ref: str) -> tuple[str, ...]:
        """The names directly in a folder (`.`: the root) at a commit; empty where there is no such folder."""


class Publisher(Protocol):
    """Posting one review. Every method either did it or raises; none returns an empty value on failure."""

    async def discard_pending(self, pr: PullRequest) -> int:
        """Delete drafts and pending reviews that carry our marker, left by a run that died; how many. A person's are
        left alone. Raises RejectedError where a person's pending review stands in the way of ours."""

    async def post_review(self, pr: PullRequest, drafts: Sequence[Draft], body: str, verdict: Verdict) -> list[Posted]:
        """All drafts at once, for `pr.head_sha`; one Posted each, in order. Raises before anything visible was posted
        (RejectedError: one of them was refused); where a part was posted, the others come back as not ok."""

    async def post_single(self, pr: PullRequest, draft: Draft) -> Posted:
        """One draft by itself. Raises RejectedError, DeniedError …"""

    async def create_comment(self, pr: PullRequest, body: str) -> Comment:
        """A general comment (the summary)."""

    async def edit_comment(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """New text for the root of one of our own comments, inline or general."""

    async def reply(self, pr: PullRequest, thread: Thread, body: str) -> Comment:
        """An answer in a thread; to a general comment, another general comment."""

    async def resolve(self, pr: PullRequest, thread: Thread) -> None:
        """Mark the thread as settled; one that is so already is fine. Raises DeniedError."""

    async def minimise(self, pr: PullRequest, thread: Thread) -> None:
        """Fold our own comment away as outdated, where Cap.MINIMISE."""

    async def delete_comment(self, pr: PullRequest, thread: Thread) -> None:
        """Take the root of our own comment back, where Cap.DELETE_COMMENT: only for a copy that two runs at once made.
        One that is gone already is fine. Raises DeniedError."""

    async def react(self, comment_id: str, emoji: str, *, inline: bool) -> None:
        """`eyes`, `+1` or `-1` on a comment."""

    async def set_status(self, pr: PullRequest, status: Status) -> list[Posted]:
        """The commit status or check named "loom"; with annotations, what became of each."""

    @property
    def actions(self) -> Sequence[Action]:
        """Every write so far, for the result file."""


class Policy(Protocol):
    """Who may do what."""

    async def access_of(self, user: str) -> Access:
        """What the user may do in the repository, asked from the platform. Any error is raised: the caller denies."""


class Text(Protocol):
    """How this platform renders."""

    def hide(self, marker: str) -> str:
        """The marker in a form that readers do not see, as the last line of a comment."""

    def suggestion(self, draft: Draft) -> str:
        """The draft's suggestion as a block that can be committed, or as a plain block."""

    def permalink(self, pr: PullRequest, path: str, line: int | None, end_line: int | None) -> str:
        """A link to lines of the head."""


class Platform(Reader, Publisher, Policy, Text, Protocol):
    """A whole platform, for one pull request."""

    profile: Profile
    """After `probe`; before it, what every version and token can do."""

    async def aclose(self) -> None:
        """Close connections; idempotent."""
