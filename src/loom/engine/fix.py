"""Suggestions put into files: where each belongs today, and what the files are with them. Pure.

A review may be minutes old. A suggestion is applied only where the lines it was made for still stand, by number or,
when they moved, by the one place in the file that reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from loom.core.diff import decode_text
from loom.core.finding import Finding, Suggestion
from loom.core.result import ResultFile, ReviewResult
from loom.infra.syntax import damages, language_of

CHANGED = "the code there has changed since the review"
DONE = "the file reads as suggested"
_CONTEXT = 3
"""Lines on either side that tell one of several equal places from the others."""


@dataclass(frozen=True, slots=True)
class FixedFile:
    """One file before and after."""

    path: str
    before: bytes
    after: bytes
    findings: tuple[Finding, ...]
    """Whose suggestions are in it, in order of lines."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A suggestion that is not applied, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Fixes:
    """What applying would do."""

    files: tuple[FixedFile, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class _Edit:
    """Lines `first`..`last` (indices, `last` not included) of a file and what takes their place."""

    first: int
    last: int
    new: tuple[bytes, ...]
    finding: Finding


def fixes(result: ReviewResult, chosen: Sequence[Finding], read: Callable[[str], bytes | None]) -> Fixes:
    """The suggestions of `chosen` in the files as `read` gives them (None: there is no such regular file)."""
    known = {file.path: file for file in result.files}
    by_path: dict[str, list[Finding]] = {}
    for finding in sorted(chosen, key=lambda f: (f.path, f.line or 0, f.fingerprint)):
        by_path.setdefault(finding.path, []).append(finding)
    files: list[FixedFile] = []
    refused: list[Refused] = []
    for path, findings in by_path.items():
        fixed, left = _file(path, findings, read(path), known.get(path))
        refused += left
        if fixed is not None:
            files.append(fixed)
    return Fixes(tuple(files), tuple(refused))


def _file(
    path: str, findings: Iterable[Finding], before: bytes | None, shown: ResultFile | None
) -> tuple[FixedFile | None, list[Refused]]:
    edits: list[_Edit] = []
    refused: list[Refused] = []
    lines = before.split(b"\n") if before is not None else []
    for finding in findings:
        suggestion = finding.suggestion
        if suggestion is None or not suggestion.committable:
            refused.append(Refused(finding, "its suggestion was not proved to apply" if suggestion else "it has none"))
        elif before is None:
            refused.append(Refused(finding, "there is no such file here"))
        elif isinstance(edit := _edit(finding, suggestion, lines, shown), str):
            refused.append(Refused(finding, edit))
        elif other := next((e for e in edits if e.first < edit.last and edit.first < e.last), None):
            refused.append(Refused(finding, f"it overlaps with {other.finding.fingerprint}"))
        else:
            edits.append(edit)
    if before is None or not edits:
        return None, refused
    after = _applied(lines, edits)
    if _breaks(path, before, after):
        reason = "together, the suggestions for this file would break its syntax: apply them one by one"
        return None, [*refused, *(Refused(edit.finding, reason) for edit in edits)]
    edits.sort(key=lambda edit: edit.first)
    return FixedFile(path, before, after, tuple(edit.finding for edit in edits)), refused


def _edit(finding: Finding, suggestion: Suggestion, lines: list[bytes], shown: ResultFile | None) -> _Edit | str:
    """The edit, or why there is none."""
    texts = dict(_new_side(shown)) or _quoted(finding)
    wanted = range(suggestion.line, suggestion.end_line + 1)
    if any(number not in texts for number in wanted):
        return "the result does not hold the lines it replaces; review again"
    now = [decode_text(line) for line in lines]
    first = _find([texts[n] for n in wanted], suggestion.line - 1, texts, now)
    if first is None:
        there = suggestion.text.split("\n") if suggestion.text else []
        done = there and _find(there, suggestion.line - 1, texts, now, around=len(wanted)) is not None
        return DONE if done else CHANGED
    ending = b"\r" if lines[first].endswith(b"\r") else b""
    new = tuple(line.encode() + ending for line in suggestion.text.split("\n")) if suggestion.text else ()
    return _Edit(first, first + len(wanted), new, finding)


def _new_side(shown: ResultFile | None) -> Iterable[tuple[int, str]]:
    """(number, text) of every line of the hunks that the file has after the change."""
    for hunk in shown.hunks if shown else ():
        number = hunk.new_start
        for kind, text in hunk.lines:
            if kind != "-":
                yield number, text
                number += 1


def _quoted(finding: Finding) -> Mapping[int, str]:
    """The lines as the finding quotes them, for a result without hunks."""
    if finding.line is None or finding.quote is None:
        return {}
    return dict(enumerate(finding.quote.split("\n"), finding.line))


def _find(
    wanted: list[str], at: int, texts: Mapping[int, str], lines: list[str], *, around: int | None = None
) -> int | None:
    """The index of the first of the wanted lines: where it was, or the only place that reads the same around it.
    `around`: how many lines of the reviewed file they stand for, where that is not their own number."""
    if lines[at : at + len(wanted)] == wanted:
        return at
    height = around or len(wanted)
    before = [texts[n] for n in range(at - _CONTEXT + 1, at + 1) if n in texts]
    after = [texts[n] for n in range(at + height + 1, at + height + _CONTEXT + 1) if n in texts]
    block = [*before, *wanted, *after]
    starts = [n for n in range(len(lines) - len(block) + 1) if lines[n : n + len(block)] == block]
    return starts[0] + len(before) if len(starts) == 1 else None


def _applied(lines: list[bytes], edits: Iterable[_Edit]) -> bytes:
    out = list(lines)
    for edit in sorted(edits, key=lambda edit: edit.first, reverse=True):  # from the end: what is above keeps its place
        out[edit.first : edit.last] = edit.new
    return b"\n".join(out)


def _breaks(path: str, before: bytes, after: bytes) -> bool:
    """Each was proved alone; two can still be wrong together. A language we cannot parse is believed."""
    language = language_of(path)
    return language is not None and damages(decode_text(before), decode_text(after), language) is True
