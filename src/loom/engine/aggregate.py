"""Same fact, one comment: merge anchored findings of all pipelines. Pure, and independent of their order.

Two findings are alike when they stand on overlapping lines of one side and share a rule, have rules that are known
to report one fact (`same_rules`), or say the same (likeness).
Clusters are the connected components over all of them, so merging merged results again changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.core.diff import Side
from loom.core.finding import (
    SAME_TEXT,
    Anchor,
    Finding,
    RawFinding,
    Severity,
    SourceRule,
    Suggestion,
    fingerprint,
    likeness,
    normalise_code,
    order,
    words,
)
from loom.engine import same_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """A raw finding with its place and everything its identity is made of."""

    raw: RawFinding
    """Masked; path as in the change."""
    pipeline: str
    severity: Severity
    deterministic: bool
    base_path: str
    anchor: Anchor
    side: Side
    line: int | None
    end_line: int | None
    code: str
    """The anchored lines; empty for a finding about the file."""
    nth: int
    """Which occurrence of that code in the file, from 0."""
    suggestion: Suggestion | None = None

    @property
    def text(self) -> str:
        """What it says, for likeness."""
        return f"{self.raw.title} {self.raw.message}"


def merge(found: Iterable[Anchored]) -> tuple[Finding, ...]:
    """One finding per cluster, in the one order of findings."""
    findings = [_represent(cluster) for cluster in _clusters(sorted(found, key=_precedence))]
    return _tell_twins_apart(findings)


def merge_severity(members: Sequence[Anchored]) -> tuple[Severity, Severity | None]:
    """(worst of all, worst of the deterministic ones or None)."""
    facts = [m.severity for m in members if m.deterministic]
    worst = min((m.severity for m in members), key=lambda s: s.rank)
    return worst, min(facts, key=lambda s: s.rank) if facts else None


def _precedence(a: Anchored) -> tuple[int, bool, str, int, int, str, str, str]:
    """The first member gives a cluster its text and lines. The last parts only make the order total."""
    return (
        a.severity.rank,
        not a.deterministic,
        a.pipeline,
        a.line or 0,
        a.end_line or 0,
        a.raw.rule or "",
        a.raw.title,
        a.raw.message,
    )


def _clusters(found: Sequence[Anchored]) -> list[list[Anchored]]:
    """Connected components of likeness; members keep their order."""
    parent = list(range(len(found)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    by_place: dict[tuple[str, Side], list[int]] = defaultdict(list)
    for i, a in enumerate(found):
        by_place[a.raw.path, a.side].append(i)
    telling = [words(a.text) for a in found]
    for members in by_place.values():
        members.sort(key=lambda i: found[i].line or 0)
        for at, i in enumerate(members):
            for j in members[at + 1 :]:
                if _beyond(found[i], found[j]):
                    break  # sorted by line: nothing after it can overlap either
                if _overlap(found[i], found[j]) and _same_fact(found[i], found[j], telling[i], telling[j]):
                    parent[max(root(i), root(j))] = min(root(i), root(j))
    groups: dict[int, list[Anchored]] = defaultdict(list)
    for i, a in enumerate(found):
        groups[root(i)].append(a)
    return list(groups.values())


def _beyond(a: Anchored, b: Anchored) -> bool:
    """Whether `b`, which starts no earlier, starts after `a` ends."""
    return b.line is not None and (b.line > (a.end_line or a.line or 0))


def _overlap(a: Anchored, b: Anchored) -> bool:
    if a.line is None or b.line is None:
        return a.line is None and b.line is None
    return a.line <= (b.end_line or b.line) and b.line <= (a.end_line or a.line)


def _same_fact(a: Anchored, b: Anchored, a_words: frozenset[str], b_words: frozenset[str]) -> bool:
    if a.raw.rule is not None and b.raw.rule is not None:
        if a.raw.rule == b.raw.rule:
            return True
        # A model's rule is its own invention, and no name of a fact but its own.
        if a.deterministic and b.deterministic and same_rules.same(a.raw.rule, b.raw.rule):
            return True
    return a.text == b.text or likeness(a_words, b_words) >= SAME_TEXT


def _represent(members: Sequence[Anchored]) -> Finding:
    """The cluster as one finding: text and lines of its first member, the worst severity, all sources."""
    first = members[0]
    severity, deterministic_severity = merge_severity(members)
    confidences = [m.raw.confidence for m in members if m.raw.confidence is not None]
    same_lines = (m for m in members if (m.line, m.end_line, m.side) == (first.line, first.end_line, first.side))
    fact = next((m for m in members if m.deterministic), first)
    return Finding(
        # A tool's finding keeps its identity when a model comes to agree with it, or no longer does.
        fingerprint=fingerprint(
            base_path=fact.base_path,
            rule=fact.raw.rule if fact.deterministic else None,
            code=fact.code,
            nth=fact.nth,
        ),
        pipeline=first.pipeline,
        sources=tuple(dict.fromkeys(m.pipeline for m in members)),
        rule=fact.raw.rule,
        category=first.raw.category,
        severity=severity,
        title=first.raw.title,
        message=first.raw.message,
        path=first.raw.path,
        line=first.line,
        end_line=first.end_line,
        column=first.raw.column,
        side=first.side,
        quote=first.raw.quote or first.code or None,
        suggestion=next((m.suggestion for m in same_lines if m.suggestion is not None), None),
        confidence=max(confidences) if confidences else None,
        anchor=first.anchor,
        deterministic=deterministic_severity is not None,
        deterministic_severity=deterministic_severity,
        rule_url=fact.raw.rule_url,
        also=_other_rules(members, fact),
    )


def _other_rules(members: Sequence[Anchored], fact: Anchored) -> tuple[SourceRule, ...]:
    """What the other tools call the fact, each once, in the order of the members. A model's rule is no name."""
    told = {(fact.pipeline, fact.raw.rule)}
    found: list[SourceRule] = []
    for member in members:
        rule = member.raw.rule
        if member.deterministic and rule and (member.pipeline, rule) not in told:
            told.add((member.pipeline, rule))
            found.append(SourceRule(member.pipeline, rule, member.raw.rule_url))
    return tuple(found)


def _tell_twins_apart(findings: list[Finding]) -> tuple[Finding, ...]:
    """A second distinct finding on the same code gets a fingerprint of its own."""
    seen: dict[str, int] = {}
    distinct = []
    for finding in sorted(findings, key=lambda f: (*order(f), f.rule or "", f.title, f.message)):
        twin = seen.get(finding.fingerprint, 0)
        seen[finding.fingerprint] = twin + 1
        distinct.append(replace(finding, fingerprint=_twin(finding.fingerprint, twin)) if twin else finding)
    return tuple(sorted(distinct, key=order))


def _twin(print_: str, twin: int) -> str:
    return fingerprint(base_path=print_, rule=None, code="", nth=0, twin=twin)


def occurrence(code: str, line: int | None, normalised: Mapping[int, str]) -> int:
    """How many times the code stands before `line` in the file (number -> `normalise_code` of the line): the `nth` of
    a fingerprint."""
    wanted = normalise_code(code)
    if line is None or not wanted:
        return 0
    height = code.count("\n") + 1
    first = normalise_code(code.split("\n", 1)[0])
    starts = (n for n, text in normalised.items() if n < line and text == first)
    return sum(
        1 for n in starts if "\n".join(text for k in range(n, n + height) if (text := normalised.get(k, ""))) == wanted
    )


def compare(now: Sequence[Finding], before: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Mark each finding new or open against an earlier result, and name the earlier ones that are gone.

    One finding is recognised once: same fingerprint first, then the same place (code, then the nearest line) with
    similar text. A recognised finding keeps its earlier fingerprint, so that what people said about it still holds.
    """
    left = {f.fingerprint: f for f in before}
    known: dict[int, Finding] = {}
    for i, finding in enumerate(now):
        if finding.fingerprint in left:
            known[i] = left.pop(finding.fingerprint)
    for i, finding in enumerate(now):
        if i not in known and (match := _recognise(finding, left.values())):
            known[i] = left.pop(match.fingerprint)
    marked = (
        replace(f, state="open", fingerprint=known[i].fingerprint) if i in known else replace(f, state="new")
        for i, f in enumerate(now)
    )
    return tuple(sorted(marked, key=order)), tuple(sorted(left))


def _recognise(finding: Finding, earlier: Iterable[Finding]) -> Finding | None:
    telling = words(f"{finding.title} {finding.message}")
    alike = [
        old
        for old in earlier
        if old.path == finding.path
        and old.side == finding.side
        and old.deterministic == finding.deterministic
        and (old.rule == finding.rule if finding.deterministic else True)
        and (
            (old.title, old.message) == (finding.title, finding.message)
            or likeness(telling, words(f"{old.title} {old.message}")) >= SAME_TEXT
        )
        and _near(finding, old)
    ]
    return min(alike, key=lambda old: (abs((old.line or 0) - (finding.line or 0)), old.fingerprint), default=None)


def _near(a: Finding, b: Finding) -> bool:
    """The same place: the same code, or lines no further apart than a quote may be moved."""
    if a.quote and b.quote and normalise_code(a.quote) == normalise_code(b.quote):
        return True
    return abs((a.line or 0) - (b.line or 0)) <= 20
