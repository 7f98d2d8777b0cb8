"""Same fact, one comment: merge anchored findings of all pipelines. Pure, and independent of their order.

Which findings are one fact is decided in `same_fact`; here they become one finding, with an identity that lasts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.core.diff import Side
from loom.core.finding import (
    SAME_TEXT,
    Finding,
    Severity,
    SourceRule,
    fingerprint,
    likeness,
    normalise_code,
    order,
    words,
)
from loom.engine import same_rules
from loom.engine.same_fact import Anchored, clusters, quoted


def merge(found: Iterable[Anchored]) -> tuple[Finding, ...]:
    """One finding per cluster, in the one order of findings."""
    merged = clusters(sorted(found, key=_precedence))
    return _tell_twins_apart(_by_what_they_say([(_represent(members), _subject(members)) for members in merged]))


def merge_severity(members: Sequence[Anchored]) -> tuple[Severity, Severity | None]:
    """(worst of all, worst of the deterministic ones or None)."""
    facts = [m.severity for m in members if m.deterministic]
    worst = min((m.severity for m in members), key=lambda s: s.rank)
    return worst, min(facts, key=lambda s: s.rank) if facts else None


def _precedence(a: Anchored) -> tuple[int, bool, bool, bool, str, int, int, str, str, str]:
    """The first member gives a cluster its text and lines: of the worst the one that says most. The last parts only
    make the order total."""
    return (
        a.severity.rank,
        not a.deterministic,
        not a.builtin,
        not _says_more(a),
        a.pipeline,
        a.line or 0,
        a.end_line or 0,
        a.raw.rule or "",
        a.raw.title,
        a.raw.message,
    )


def _says_more(a: Anchored) -> bool:
    """Whether the message says more than the title, be it cut."""
    title = normalise_code(a.raw.title).rstrip("…").rstrip(" .")
    return bool(title) and normalise_code(a.raw.message).rstrip(" .") != title and len(a.raw.message) > len(title)


def _represent(members: Sequence[Anchored]) -> Finding:
    """The cluster as one finding: text and lines of its first member, the worst severity, all sources."""
    first = members[0]
    severity, deterministic_severity = merge_severity(members)
    confidences = [m.raw.confidence for m in members if m.raw.confidence is not None]
    prints = _prints(members)
    same_lines = (m for m in members if (m.line, m.end_line, m.side) == (first.line, first.end_line, first.side))
    fact = next((m for m in members if m.deterministic), first)
    return Finding(
        fingerprint=prints[0],
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
        aliases=prints[1:],
    )


def _prints(members: Sequence[Anchored]) -> tuple[str, ...]:
    """The fingerprint, and those that the members would have alone. The first does not depend on which tools are
    installed, as far as they stand on the same lines, nor on a model that comes to agree. The names of rules give way
    to that of the fact; a fingerprint made of a rule's own name is still known."""
    facts = _facts(members)
    if not facts:
        return (_print(members[0], None),)
    found = [_print(m, same_rules.identity(m.raw.rule) if m.raw.rule else None) for m in facts]
    return tuple(dict.fromkeys((*found, *(_print(m, m.raw.rule) for m in facts))))


def _facts(members: Sequence[Anchored]) -> list[Anchored]:
    """The tools' members that give the cluster its identity, the first before all."""
    facts = sorted((m for m in members if m.deterministic), key=_standing)
    # What another tool says in like words may be less than a blocker: what was said of that does not hold here.
    if (worst := next((m for m in facts if m.severity is Severity.BLOCKER), None)) is not None:
        facts = [m for m in facts if m is worst or _one_fact(m, worst)]
    return facts


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a tool's sentence tells besides the rule."""

    names: str
    """What it quotes; empty for our own texts, which quote code and advice."""
    text: str


def _subject(members: Sequence[Anchored]) -> _Subject | None:
    """What tells a tool's finding from another of the same fact; None for a claim of models."""
    facts = _facts(members)
    if not facts:
        return None
    return _Subject("" if facts[0].builtin else "\0".join(quoted(facts[0].text)), facts[0].text)


def _standing(a: Anchored) -> tuple[bool, bool, bool, str, int, int, int, str, str]:
    """Sorts first whose fingerprint a cluster takes: what is most likely to be there in the next run."""
    rule, line, end = a.raw.rule or "", a.line or 0, a.end_line or a.line or 0
    return (
        not rule,
        same_rules.guesses(rule),
        not a.builtin,
        same_rules.identity(rule),
        end - line,
        line,
        a.nth,
        normalise_code(a.code),
        rule,
    )


def _one_fact(a: Anchored, b: Anchored) -> bool:
    return bool(a.raw.rule and b.raw.rule and same_rules.same(a.raw.rule, b.raw.rule, one_start=a.line == b.line))


def _print(a: Anchored, rule: str | None) -> str:
    return fingerprint(base_path=a.base_path, rule=rule, code=a.code, nth=a.nth)


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


def _by_what_they_say(findings: Sequence[tuple[Finding, _Subject | None]]) -> list[Finding]:
    """Where one fact stands several times on the same code, what the tools say of it becomes part of the identity; a
    finding that quotes names is also known by what its fingerprint would be then."""
    alike: dict[str, Counter[str]] = defaultdict(Counter)
    texts: dict[str, set[str]] = defaultdict(set)
    for finding, subject in findings:
        if subject is not None:
            alike[finding.fingerprint][subject.names] += 1
            texts[finding.fingerprint].add(subject.text)
    told = []
    for finding, subject in findings:
        if subject is not None and len(texts[finding.fingerprint]) > 1:
            by_name = subject.names and alike[finding.fingerprint][subject.names] == 1
            said = subject.names if by_name else subject.text
            now, *others = (_saying(name, said) for name in finding.prints)
            finding = replace(finding, fingerprint=now, aliases=tuple(others))
        elif subject is not None and subject.names:
            finding = replace(finding, aliases=(*finding.aliases, _saying(finding.fingerprint, subject.names)))
        told.append(finding)
    return told


def _saying(print_: str, said: str) -> str:
    return fingerprint(base_path=print_, rule=said, code="", nth=0)


def _tell_twins_apart(findings: list[Finding]) -> tuple[Finding, ...]:
    """A second distinct finding on the same code gets a fingerprint of its own."""
    seen: dict[str, int] = {}
    distinct = []
    for finding in sorted(findings, key=lambda f: (*order(f), f.rule or "", f.title, f.message)):
        twin = seen.get(finding.fingerprint, 0)
        seen[finding.fingerprint] = twin + 1
        if twin:
            aliases = tuple(_twin(alias, twin) for alias in finding.aliases)
            finding = replace(finding, fingerprint=_twin(finding.fingerprint, twin), aliases=aliases)
        distinct.append(finding)
    return _unambiguous(sorted(distinct, key=order))


def _unambiguous(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Without the aliases that another finding has too: what is said of one must not hold for the other."""
    having = Counter(name for finding in findings for name in finding.prints)
    return tuple(
        replace(f, aliases=tuple(name for name in f.aliases if having[name] == 1)) if f.aliases else f for f in findings
    )


def _twin(print_: str, twin: int) -> str:
    return fingerprint(base_path=print_, rule=None, code="", nth=0, twin=twin)


def compare(now: Sequence[Finding], before: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Mark each finding new or open against an earlier result, and name the earlier ones that are gone.

    One finding is recognised once: same fingerprint first, then an alias (other tools told it), then the same place
    (code, then the nearest line) with similar text. A recognised finding keeps its earlier fingerprint, so that what
    people said about it still holds; its own becomes an alias.
    """
    left = {f.fingerprint: f for f in before}
    known: dict[int, Finding] = {}
    for way in (_by_fingerprint, _by_alias, _by_place):
        find = way(left)
        for i, finding in enumerate(now):
            if i not in known and (match := find(finding)) is not None and match.fingerprint in left:
                known[i] = left.pop(match.fingerprint)
    marked = [_as_before(f, known[i]) if i in known else replace(f, state="new") for i, f in enumerate(now)]
    return _unambiguous(sorted(marked, key=order)), tuple(sorted(left))


_Find = Callable[[Finding], Finding | None]


def _by_fingerprint(left: Mapping[str, Finding]) -> _Find:
    return lambda finding: left.get(finding.fingerprint)


def _by_alias(left: Mapping[str, Finding]) -> _Find:
    names = {name: old for old in left.values() for name in old.prints}

    def find(finding: Finding) -> Finding | None:
        hits = (names[name] for name in finding.prints if name in names)
        return next((old for old in hits if old.fingerprint in left), None)

    return find


def _by_place(left: Mapping[str, Finding]) -> _Find:
    by_file: dict[tuple[str, Side, bool], list[Finding]] = defaultdict(list)
    for old in left.values():
        by_file[old.path, old.side, old.deterministic].append(old)
    return lambda finding: _recognise(
        finding,
        (f for f in by_file[finding.path, finding.side, finding.deterministic] if f.fingerprint in left),
    )


def _as_before(finding: Finding, old: Finding) -> Finding:
    aliases = tuple(name for name in finding.prints if name != old.fingerprint)
    return replace(finding, state="open", fingerprint=old.fingerprint, aliases=aliases)


def _recognise(finding: Finding, earlier: Iterable[Finding]) -> Finding | None:
    telling = words(f"{finding.title} {finding.message}")
    alike = [
        old
        for old in earlier
        if _near(finding, old)
        and (_share_a_rule(old, finding) if finding.deterministic else True)
        and (
            (old.title, old.message) == (finding.title, finding.message)
            or likeness(telling, words(f"{old.title} {old.message}")) >= SAME_TEXT
        )
    ]
    return min(alike, key=lambda old: (abs((old.line or 0) - (finding.line or 0)), old.fingerprint), default=None)


def _share_a_rule(a: Finding, b: Finding) -> bool:
    """Whether tools call both the same, of whichever tool the name is."""
    if a.rule == b.rule:
        return True
    named = ({f.rule, *(other.rule for other in f.also)} for f in (a, b))
    mine, theirs = ({same_rules.identity(rule) for rule in rules if rule} for rules in named)
    return not mine.isdisjoint(theirs)


def _near(a: Finding, b: Finding) -> bool:
    """The same place: the same code, or lines no further apart than a quote may be moved."""
    if a.quote and b.quote and normalise_code(a.quote) == normalise_code(b.quote):
        return True
    return abs((a.line or 0) - (b.line or 0)) <= 20
