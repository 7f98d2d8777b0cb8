"""Findings: what a pipeline reports (raw), what a review tells (anchored), and when two are the same.

The contract is docs/adr/0004 (anchoring) and docs/adr/0005 (identity).
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass
from typing import Literal, get_args

from loom.core.diff import Side

Anchor = Literal["exact", "moved", "file", "none"]
State = Literal["new", "open"]
Category = Literal[
    "bug",
    "security",
    "performance",
    "concurrency",
    "error-handling",
    "api",
    "data",
    "tests",
    "docs",
    "style",
    "maintainability",
    "secret",
    "dependency",
    "other",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)

SAME_TEXT = 0.6
"""Findings on overlapping lines whose texts are at least this alike say the same thing (`likeness`)."""

_FINGERPRINT_VERSION = "1"


class Severity(enum.Enum):
    """How bad. Ordered: `blocker > warning > info`."""

    BLOCKER = "blocker"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst; sorts findings."""
        return _RANKS[self]

    def at_least(self, bar: Severity) -> bool:
        """Whether this is as bad as `bar` or worse."""
        return self.rank <= bar.rank


_RANKS = {Severity.BLOCKER: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFinding:
    """What a model, script or analyzer said, before it is tied to the diff."""

    path: str
    message: str
    title: str = ""
    line: int | None = None
    """1-based, on `side`; None when the pipeline named no line."""
    end_line: int | None = None
    column: int | None = None
    """1-based; None when unknown."""
    side: Side = "new"
    severity: Severity | None = None
    """None: the pipeline's default applies."""
    category: Category = "other"
    quote: str | None = None
    """Code copied from the file, possibly several lines; None when none was given."""
    suggestion: str | None = None
    """Text to replace exactly `line..end_line` on the new side; an empty string deletes them."""
    confidence: float | None = None
    """0 to 1; None when not given."""
    rule: str | None = None
    rule_url: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A replacement for whole lines of the new side."""

    line: int
    end_line: int
    text: str
    """Without a last line ending; empty means: delete the lines."""
    committable: bool
    """Proved: it applies, changes something, still parses, and carries no masked text."""


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What another source calls the same fact."""

    source: str
    """A pipeline's name."""
    rule: str
    rule_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding tied to the change. Only `engine.anchor` and `store.record` make these."""

    fingerprint: str
    pipeline: str
    sources: tuple[str, ...]
    """Every pipeline that reported it, the first member's first."""
    rule: str | None
    category: Category
    severity: Severity
    title: str
    message: str
    path: str
    line: int | None
    """None when no line is known. With anchor `file` or `none` a known line stands outside the diff and carries no
    comment."""
    end_line: int | None
    column: int | None
    side: Side
    quote: str | None
    suggestion: Suggestion | None
    confidence: float | None
    anchor: Anchor
    deterministic: bool
    deterministic_severity: Severity | None
    """The worst severity among deterministic members: what `fail_on` looks at. None for a claim of models only."""
    rule_url: str | None
    also: tuple[SourceRule, ...] = ()
    """The rules of the other tools that report the same fact: none of their names and links is lost in merging."""
    aliases: tuple[str, ...] = ()
    """Other fingerprints of the same finding: under which it was told where other tools were at work, or before it was
    recognised. No two findings of a review share one."""
    state: State = "new"

    @property
    def prints(self) -> tuple[str, ...]:
        """All its fingerprints, the one it is told under first."""
        return (self.fingerprint, *self.aliases)


def order(finding: Finding) -> tuple[int, str, int, str]:
    """The one order of findings: severity, path, line, fingerprint."""
    return (finding.severity.rank, finding.path, finding.line or 0, finding.fingerprint)


def normalise_code(text: str) -> str:
    """Code without what formatting may change: runs of white space are one space, empty lines are gone."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def fingerprint(*, base_path: str, rule: str | None, code: str, nth: int, twin: int = 0) -> str:
    """16 hex digits that stay the same across pushes.

    `base_path`: path at the merge base. `rule`: for deterministic findings, else None. `code`: the anchored lines
    (normalised here). `nth`: which occurrence of that code in the file, from 0. `twin`: 0, or which distinct model
    finding on the same code. Wording, category and line numbers are left out: they change when nothing did.
    """
    parts = (_FINGERPRINT_VERSION, base_path, rule or "", normalise_code(code), str(nth), str(twin) if twin else "")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


_WORD = re.compile(r"\w{2,}")
# Scripts that write no spaces between words (Thai, kana, Chinese characters, Hangul): their words are taken in pairs.
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FILLER = frozenset(
    (
        *(
            "the",
            "this",
            "that",
            "is",
            "are",
            "was",
            "be",
            "to",
            "of",
            "in",
            "on",
            "at",
            "it",
            "its",
            "an",
            "and",
            "or",
        ),
        *("for", "with", "as", "by", "not", "can", "may", "will", "should", "would", "could", "if", "when", "here"),
        *("there", "which", "from", "has", "have", "does", "do"),
    )
)


def words(text: str) -> frozenset[str]:
    """The telling words of a text, in lower case; pairs of characters where a script does not part its words."""
    found: set[str] = set()
    for word in _WORD.findall(text.lower()):
        if _UNSPACED.search(word):
            found.update(word[i : i + 2] for i in range(len(word) - 1))
        else:
            found.add(word)
    return frozenset(found) - _FILLER


def likeness(a: frozenset[str], b: frozenset[str]) -> float:
    """How alike two texts are by their words: 2·common / all (Sørensen–Dice), 0 to 1; 0 when there are none."""
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0
