"""What a review came to: the four facts (ran, complete, blocking, delivered), findings, and what was not reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loom.core.change import ChangeRef
from loom.core.diff import Kind, Status
from loom.core.finding import Finding, RawFinding

PipelineKind = Literal["llm", "script", "builtin", "linter"]
PipelineStatus = Literal["ok", "partial", "failed", "skipped"]
Where = Literal["inline", "inline_single", "file", "annotation", "summary", "log", "deduped", "failed"]
DropReason = Literal[
    "invented_quote", "outside_change", "filter", "below_severity", "below_confidence", "unverified", "suppressed"
]


LEFT_OUT = "left out by "
"""How the reason of a file begins that the review is not about. What decided so follows: `--paths`, `triggers.…`."""
NOT_ASKED = "models are not asked about it"
"""How the reason of a file ends that is for no model."""
NOBODY = "no pipeline looked at it"
"""The reason of a file that no pipeline is for."""
NOT_SEEN = "not seen by "
"""How the reason of a file begins that was reviewed, but not by all. Those that missed it follow."""


def by_choice(reason: str) -> bool:
    """Whether a file with this reason was to be left out: then the review does not lack it."""
    return reason.startswith(LEFT_OUT) or reason.endswith(NOT_ASKED) or reason == NOBODY


@dataclass(frozen=True, slots=True)
class Outcome:
    """Four facts kept apart, and the exit code that follows from them (docs/exit-codes.md)."""

    ran: bool
    complete: bool
    """Every planned (pipeline, hunk) of every required pipeline was answered."""
    blocking: bool
    """Something reaches the bar."""
    delivered: bool | None
    """Whether what was to be posted arrived; None when nothing was to be posted."""
    skipped: str | None
    """Why the review did not run, when a trigger said so."""
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHunk:
    """A hunk as the result carries it: masked."""

    old_start: int
    new_start: int
    section: str
    lines: tuple[tuple[Kind, str], ...]
    """(kind, text) in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """One file of the change and whether it was reviewed."""

    path: str
    old_path: str | None
    status: Status
    added: int
    deleted: int
    binary: bool
    reviewed: bool
    """Whether it was looked at. What a model was to look at and did not is not, whatever tools saw of it."""
    reason: str | None
    """Why it was not reviewed, or not by all; None when it was."""
    commentable: str
    """New-side line ranges that can carry a comment, e.g. "41-43,60-70"."""
    hunks: tuple[ResultHunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A finding that is not reported, and why."""

    reason: DropReason
    finding: Mapping[str, object]
    """The raw finding as JSON values (masked), with its `pipeline`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOutcome:
    """How one pipeline went."""

    name: str
    kind: PipelineKind
    status: PipelineStatus
    required: bool = True
    model: str | None = None
    summary: str = ""
    reason: str | None = None
    """Why it is not `ok`: what happened, in one sentence."""
    hint: str = ""
    """What to do about it."""
    requests: int = 0
    retries: int = 0
    cache_hits: int = 0
    input_tokens: int = 0
    """Cached ones included."""
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    """None: not known (unknown price); 0.0 only when it was free."""
    duration_ms: int = 0
    not_reviewed: tuple[str, ...] = ()
    """Hunk ids (`path#n`) or paths that this pipeline should have looked at and did not."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A secret that was masked; never the secret."""

    rule: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a finding ended up on the platform."""

    fingerprint: str
    where: Where
    reason: str | None = None
    comment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One write made on the platform."""

    at: str
    """UTC, ISO 8601."""
    verb: str
    target: str
    status: int
    """HTTP status."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a reader should know; an error when it made the review incomplete."""

    slug: str
    message: str
    hint: str = ""
    pipeline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawUnit:
    """What one unit of a part said (docs/shards.md): an analyzer, or one chunk of a model pipeline."""

    pipeline: str
    number: int
    """Which chunk of the pipeline, from 0."""
    of: int
    """How many chunks it has."""
    outcome: PipelineOutcome
    findings: tuple[RawFinding, ...]
    """Masked."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Totals over all pipelines."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    cache_hits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewResult:
    """Everything a review has to say; the result file is this value as JSON (docs/result.md)."""

    tool_version: str
    change: ChangeRef
    config_hash: str
    outcome: Outcome
    files: tuple[ResultFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    fixed: tuple[str, ...] = ()
    """Fingerprints of the last local result that are gone."""
    dropped: tuple[Dropped, ...] = ()
    pipelines: tuple[PipelineOutcome, ...] = ()
    placements: tuple[Placement, ...] = ()
    actions: tuple[Action, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    timings_ms: Mapping[str, int] = field(default_factory=dict)
    """Keys source, config, plan, run, publish, total."""
    usage: Usage = Usage()
    warnings: tuple[Notice, ...] = ()
    errors: tuple[Notice, ...] = ()
    shard: str | None = None
    raw: tuple[RawUnit, ...] = ()
    """What the units of a part said, before it is merged with the other parts; empty for a whole review."""
