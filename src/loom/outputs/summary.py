"""What every output for people says in the same words: the verdict, the counts, what was not reviewed, figures.

Texts here may hold words of the change or of a model: each output escapes them for its channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loom.core.finding import Finding, Severity, Suggestion
from loom.core.result import LEFT_OUT, NOBODY, NOT_SEEN, PipelineOutcome, ReviewResult, by_choice
from loom.infra.text import one_line

Tone = Literal["clean", "findings", "blocked", "incomplete", "nothing"]
"""clean: everything was looked at and nothing found. Only this one may look green."""

_NAMED = 8
"""Names that are listed before the rest is counted."""
_PLURALS = {"branch": "branches", "retry": "retries"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one sentence a reader needs; its first words say whether anything was reviewed."""

    tone: Tone
    text: str


def verdict(result: ReviewResult) -> Verdict:
    """The verdict on `result`."""
    tone, text = _verdict(result)
    if result.outcome.delivered is False:
        text += " Not everything could be posted."
    return Verdict("incomplete" if result.outcome.delivered is False and tone == "clean" else tone, text)


def _verdict(result: ReviewResult) -> tuple[Tone, str]:
    outcome = result.outcome
    if reason := _why_nothing(result):
        return "nothing", f"Nothing was reviewed: {_sentence(reason)}"
    if not outcome.complete:
        return "incomplete", f"Reviewed in part: {_sentence(_what_lacks(result))} {_found_so_far(result)}"
    scope = f"Reviewed {_files(result)}"
    if outcome.blocking:
        return "blocked", f"{scope}: {found(result.findings)}; this blocks."
    if result.findings:
        return "findings", f"{scope}: {found(result.findings)}."
    return "clean", f"{scope}: nothing found."


def _why_nothing(result: ReviewResult) -> str:
    """Why nothing at all was reviewed; empty when something was."""
    outcome = result.outcome
    if outcome.skipped:
        return outcome.skipped
    if not result.files and outcome.complete:
        return "the change is empty"
    if not outcome.ran:
        return (result.errors[0].message if result.errors else "") or "the review did not run"
    if outcome.complete and not any(f.reviewed for f in result.files):
        return (
            "no file is left to review" if not _reasons(result) else f"files left out ({'; '.join(_reasons(result))})"
        )
    ran = [p for p in result.pipelines if p.status in ("ok", "partial")]
    if not ran and not result.findings:
        return _what_lacks(result, also_skipped=True) if result.pipelines else "no pipeline ran"
    return ""


def _reasons(result: ReviewResult) -> list[str]:
    return list(dict.fromkeys(_why(f.reason) for f in result.files if f.reason and not f.reviewed))[:4]


def _what_lacks(result: ReviewResult, *, also_skipped: bool = False) -> str:
    """What makes the review incomplete, shortest form. A pipeline that was skipped does not: `also_skipped` is for a
    review in which nothing ran."""
    required = [p for p in result.pipelines if p.required]
    did = _DID | _DID_NOT if also_skipped else _DID
    names = {status: [p.name for p in required if p.status == status] for status in did}
    parts = [f"{_some(names[status])} {what}" for status, what in did.items() if names[status]]
    if unread := sum(1 for f in result.files if not f.reviewed and not by_choice(f.reason or "")):
        parts.append(f"{unread:,} of {plural(len(result.files), 'file')} not reviewed")
    if not parts and result.errors:
        parts.append(result.errors[0].message)
    return "; ".join(parts) or "not every planned part was answered"


_DID = {"failed": "failed", "partial": "did not see everything"}
_DID_NOT = {"skipped": "did not run"}


def _some(names: Sequence[str]) -> str:
    return ", ".join(name[:60] for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."


def _found_so_far(result: ReviewResult) -> str:
    if not result.findings:
        return "Nothing found in the rest, which says nothing about what was not looked at."
    return f"In the rest: {found(result.findings)}" + ("; this blocks." if result.outcome.blocking else ".")


def _files(result: ReviewResult) -> str:
    reviewed = [f for f in result.files if f.reviewed]
    total = len(result.files)
    count = plural(total, "file") if len(reviewed) == total else f"{len(reviewed)} of {plural(total, 'file')}"
    return f"{count} (+{sum(f.added for f in reviewed)} -{sum(f.deleted for f in reviewed)})"


def found(findings: Sequence[Finding]) -> str:
    """`3 findings (1 blocker, 2 warnings)`; `1 warning` when they are all alike."""
    counts = [(s, sum(1 for f in findings if f.severity is s)) for s in Severity]
    words = [plural(n, s.value) if s is not Severity.INFO else f"{n} info" for s, n in counts if n]
    if len(words) < 2:
        return words[0] if words else "nothing found"
    return f"{plural(len(findings), 'finding')} ({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Count:
    """How many findings of one severity there are, against the last result."""

    severity: Severity
    new: int
    open: int


def counts(result: ReviewResult) -> tuple[Count, ...]:
    """One row a severity, the worst first, zeros included."""
    return tuple(
        Count(
            severity,
            new=sum(1 for f in result.findings if f.severity is severity and f.state == "new"),
            open=sum(1 for f in result.findings if f.severity is severity and f.state == "open"),
        )
        for severity in Severity
    )


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not reviewed, or not wholly."""

    reason: str
    hint: str = ""
    paths: tuple[str, ...] = ()
    """Files or hunk ids."""
    pipeline: PipelineOutcome | None = None
    """None: the files were looked at by no pipeline."""
    others: tuple[PipelineOutcome, ...] = ()
    """Skipped for the same reason: thirty linters that are not installed are one thing to know."""
    lacking: bool = False
    """Whether the review is incomplete for it; else it was left out, as it should be."""

    @property
    def word(self) -> str:
        """`not reviewed` or `left out`."""
        return "not reviewed" if self.lacking else "left out"

    @property
    def who(self) -> str:
        """The pipelines by name; empty when it is about files alone."""
        return listed([one_line(p.name, 40) for p in (self.pipeline, *self.others) if p is not None], _NAMED)


def gaps(result: ReviewResult) -> tuple[Gap, ...]:
    """What was not reviewed and why: pipelines first (their failures weigh more), then files by reason. A file that
    others saw is told by the pipeline that missed it."""
    by_reason: dict[str, list[str]] = {}
    lacking: set[str] = set()
    for file in result.files:
        reason = file.reason or NOBODY
        if not file.reviewed or (file.reason and not file.reason.startswith(NOT_SEEN)):
            by_reason.setdefault(reason, []).append(file.path)
        if not file.reviewed and not result.outcome.complete and not by_choice(reason):
            lacking.add(reason)
    files = [Gap(_why(reason), paths=tuple(paths), lacking=reason in lacking) for reason, paths in by_reason.items()]
    return (*_pipeline_gaps(result), *files)


def _why(reason: str) -> str:
    """The reason behind the word `left out`: `by --paths`."""
    return reason.removeprefix(LEFT_OUT.removesuffix("by ")) if reason.startswith(LEFT_OUT) else reason


def _pipeline_gaps(result: ReviewResult) -> list[Gap]:
    """One for each pipeline that has any; those that were skipped for the same reason are one."""
    alike: dict[tuple[object, ...], list[PipelineOutcome]] = {}
    for p in result.pipelines:
        if p.status != "ok" or p.not_reviewed:
            together = p.status == "skipped" and not p.not_reviewed
            alike.setdefault((p.reason,) if together else (p.reason, p.name), []).append(p)
    return [
        Gap(
            first.reason or "no reason given",
            _hints(first, rest),
            first.not_reviewed,
            first,
            tuple(rest),
            lacking=first.status != "skipped",
        )
        for first, *rest in alike.values()
    ]


def _hints(first: PipelineOutcome, rest: Sequence[PipelineOutcome]) -> str:
    return listed(list(dict.fromkeys(p.hint for p in (first, *rest) if p.hint)), 3)


def at_work(result: ReviewResult) -> tuple[PipelineOutcome, ...]:
    """The pipelines there are figures of. Those that were skipped are named, with the reason, in the gaps."""
    return tuple(p for p in result.pipelines if p.status != "skipped")


def listed(items: Sequence[str], most: int) -> str:
    """`a, b and 7 more`."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def dropped(result: ReviewResult) -> str:
    """`3 findings dropped: 2 invented quote, 1 below severity; 1 ignored: …`; empty when there are none."""
    reasons: dict[str, int] = {}
    for drop in result.dropped:
        reasons[drop.reason] = reasons.get(drop.reason, 0) + 1
    silenced = reasons.pop("suppressed", 0)
    words = ", ".join(f"{n} {_DROPPED.get(reason, reason)}" for reason, n in reasons.items())
    parts = [f"{plural(sum(reasons.values()), 'finding')} dropped: {words}"] if reasons else []
    parts += [f"{plural(silenced, 'finding')} ignored: {_by_what(result)}"] if silenced else []
    return "; ".join(parts)


def _by_what(result: ReviewResult) -> str:
    """`2 by .loom/memory.yaml:4 (legacy), 1 by src/a.py:3`: what silenced findings, and why."""
    found: dict[tuple[str, str], int] = {}
    for drop in result.dropped:
        if drop.reason == "suppressed":
            by = drop.finding.get("suppressed_by")
            told = by if isinstance(by, Mapping) else {}
            key = str(told.get("where") or "what was said before"), str(told.get("reason") or "")
            found[key] = found.get(key, 0) + 1
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    said = [f"{n:,} by {where[:120]}" + (f" ({_short(why)})" if why else "") for (where, why), n in most]
    return listed(said, 3)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


_DROPPED = {
    "invented_quote": "quoting code that is not there",
    "outside_change": "outside the change",
    "filter": "left out by filter",
    "below_severity": "below the least severity",
    "below_confidence": "below the least confidence",
    "unverified": "not confirmed",
}


def masked(result: ReviewResult) -> str:
    """`2 secrets masked before anything was sent: github-token (a.py:3), …`; empty when there are none."""
    if not result.redactions:
        return ""
    places = [f"{r.rule} ({r.path}:{r.line})" for r in result.redactions]
    return f"{plural(len(places), 'secret')} masked before anything was sent or written: {listed(places, 3)}"


def spent(result: ReviewResult) -> str:
    """`3 requests, 12.3k tokens in, 1.2k out, $0.02, 4.1 s`, leaving out what does not apply."""
    usage, parts = result.usage, []
    if usage.requests:
        parts += [plural(usage.requests, "request"), f"{tokens(usage.input_tokens)} tokens in"]
        parts += [f"{tokens(usage.output_tokens)} out", money(usage.cost_usd)]
    if usage.cache_hits:
        parts.append(f"{plural(usage.cache_hits, 'answer')} from the cache")
    if total := result.timings_ms.get("total", 0):
        parts.append(duration(total))
    return ", ".join(parts)


def who(pipelines: Iterable[PipelineOutcome]) -> str:
    """`review (claude-sonnet), builtin/secrets`: what was looked with."""
    return ", ".join(f"{p.name} ({p.model})" if p.model else p.name for p in pipelines if p.status != "skipped")


def about(result: ReviewResult) -> str:
    """The change in a few words: `working tree against 1f3c9a2`, `#12 Add coupons`."""
    change = result.change
    base = (change.merge_base or change.base_sha or "")[:10]
    match change.source:
        case "local":
            return f"working tree against {base}" if base else "working tree"
        case "staged":
            return f"staged changes against {base}" if base else "staged changes"
        case "range":
            return f"{base or 'the beginning'}..{(change.head_sha or '')[:10]}"
        case "diff":
            return "a diff file"
        case "pr":
            number = f"#{change.number}" if change.number is not None else "pull request"
            return f"{number} {change.title}" if change.title else number


def place(finding: Finding) -> str:
    """`path:42:7`, `path:42`, or the path alone for a finding about the file."""
    parts = [finding.path, *(str(n) for n in (finding.line, finding.line and finding.column) if n)]
    return ":".join(parts)


def lines(suggestion: Suggestion) -> str:
    """`line 42`, `lines 43-44`: what it replaces."""
    if suggestion.line == suggestion.end_line:
        return f"line {suggestion.line}"
    return f"lines {suggestion.line}-{suggestion.end_line}"


def plural(n: int, word: str) -> str:
    """`1 file`, `2 files`."""
    return f"{n:,} {word if n == 1 else _PLURALS.get(word, word + 's')}"


def tokens(n: int) -> str:
    """`950`, `12.3k`, `1.2M`."""
    if n < 1_000:
        return str(n)
    return f"{n / 1_000:.1f}k" if n < 999_950 else f"{n / 1_000_000:.1f}M"


def money(usd: float | None) -> str:
    """`$0.02`; small sums keep two digits that tell something; `cost unknown` when no price is known."""
    if usd is None:
        return "cost unknown"
    if usd == 0:
        return "$0"
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.2g}" if usd >= 0.0001 else "<$0.0001"


def duration(ms: int) -> str:
    """`420 ms`, `4.1 s`, `2m 05s`."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 59_950:
        return f"{ms / 1_000:.1f} s"
    seconds = round(ms / 1_000)
    return f"{seconds // 60}m {seconds % 60:02}s"
