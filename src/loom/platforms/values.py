"""What a pull request is made of, in words that fit every platform. "Pull request" means merge request too.

Lines are 1-based. Texts that people, models or tools wrote are untrusted: they are escaped before they are posted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loom.core.change import Unread
from loom.core.diff import FileChange, Side

Event = Literal[
    "pr", "pr_target", "comment", "review_comment", "workflow_run", "merge_group", "push", "schedule", "manual"
]
"""What started the job. `pr_target` and `workflow_run` run with the target repository's rights."""

Verdict = Literal["comment", "approve", "request_changes"]
StatusState = Literal["pending", "success", "failure", "error", "neutral"]
Access = Literal["none", "read", "write", "admin", "unknown"]
"""`unknown`: the platform cannot tell. It is treated as `none`."""

ACCESS_RANK: Mapping[Access, int] = {"unknown": 0, "none": 0, "read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where a pull request lives."""

    platform: str
    """A name in the table of platforms."""
    api_url: str
    """Root of the REST API, without a last slash."""
    web_url: str
    """Root of the web pages, without a last slash."""
    repo: str
    """`owner/name`, `group/sub/project`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, and the variable that it came from, which is what messages name."""

    value: str = field(repr=False)
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """One pull request as the platform tells it now."""

    number: int
    title: str
    body: str
    author: str
    author_is_bot: bool
    draft: bool
    open: bool
    labels: tuple[str, ...]
    source_branch: str
    target_branch: str
    head_sha: str
    base_sha: str
    """Tip of the target branch; configuration comes from here."""
    merge_base: str | None
    """None where the platform does not say: git or another request has to."""
    fork: bool
    source_repo: str | None
    """None when the fork was deleted."""
    changed_files: int | None
    web_url: str
    comments: int | None = None
    """How many comments stand on it, inline and general, as the platform counts; None where it does not tell. Two
    reads that differ say that somebody else wrote meanwhile, without listing all threads again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformDiff:
    """A pull request's diff over the API."""

    files: tuple[FileChange, ...]
    unread: tuple[Unread, ...]
    """What the platform did not give: it makes the review incomplete."""
    source: Literal["raw", "files", "blobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where a comment stands. Always a place that our own hunk map admits (engine.posting)."""

    path: str
    """The new path; the old one for a deleted file."""
    old_path: str | None = None
    """Where it differs."""
    side: Side = "new"
    line: int | None = None
    """The last line; None: the file as a whole."""
    start_line: int | None = None
    """None for a single line. The whole range is in one hunk, on one side."""
    kind: Literal["added", "removed", "context", "file"] = "file"
    """What `line` is."""
    old_line: int | None = None
    """Counterpart of a context line on the old side (GitLab wants both)."""
    start_old_line: int | None = None
    """Counterpart of `start_line` where that is a context line."""
    start_kind: Literal["added", "removed", "context"] | None = None

    def single(self) -> Anchor:
        """The last line alone."""
        return Anchor(
            path=self.path, old_path=self.old_path, side=self.side, line=self.line, kind=self.kind,
            old_line=self.old_line,
        )  # fmt: skip

    def whole_file(self) -> Anchor:
        """The file instead of a line."""
        return Anchor(path=self.path, old_path=self.old_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One comment to be posted. The adapter adds suggestion and marker in its platform's form."""

    fingerprint: str
    anchor: Anchor
    body: str
    """Markdown, escaped for comments, short enough for the platform together with the rest."""
    suggestion: str | None = None
    """Replaces exactly `start_line..line`; proved. None: none, or this platform cannot commit suggestions."""
    marker: str
    """The encoded marker (core.marker), without the platform's hiding syntax."""
    blocking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment that is there."""

    id: str
    body: str
    author: str
    by_self: bool
    """Written by the identity whose token this is, as far as the platform tells. A marker in any other comment counts
    only with a valid signature."""
    by_bot: bool
    created_at: str
    """ISO 8601."""
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`+1`, `-1` … -> who, as far as known (empty names where only a count is)."""
    version: str | None = None
    """For platforms with optimistic locks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A discussion, or a general comment (`path` is None)."""

    id: str
    """What `reply` and `resolve` take."""
    comments: tuple[Comment, ...]
    """In order; the first is the root. Never empty."""
    path: str | None = None
    line: int | None = None
    side: Side = "new"
    resolvable: bool = False
    resolved: bool = False
    resolved_by: str | None = None
    """Who resolved it, where the platform tells."""
    resolved_by_self: bool = False
    outdated: bool = False
    can_resolve: bool = True
    """Whether this token may resolve it, where the platform tells beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of one draft. `why`: the server's words for every step down."""

    fingerprint: str
    ok: bool
    comment_id: str | None = None
    thread_id: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line of an annotation channel (check run, code insights): any line of any file."""

    fingerprint: str
    path: str
    line: int | None
    end_line: int | None
    severity: Literal["blocker", "warning", "info"]
    title: str
    message: str
    rule_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A commit status or check."""

    state: StatusState
    title: str
    """What fits into one line."""
    summary: str = ""
    """Markdown, escaped."""
    url: str | None = None
    notes: tuple[Note, ...] = ()
