"""What was found and is not to be said: by a mark in the file, the team's memory, or the user's own list. Pure.

The contract is docs/adr/0013-suppressions.md. Nothing is lost: what is silenced is counted, with by what and why. What
a change brings along never silences a blocker, and nothing does without a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from loom.core.diff import Side
from loom.core.finding import Finding, Severity
from loom.core.result import Dropped, Notice
from loom.engine import same_rules
from loom.engine.conclude import finding_as_json
from loom.engine.inline_ignores import Mark
from loom.infra.globs import Globs
from loom.store.memory import Suppression

Kind = Literal["inline", "memory", "personal"]

MIN_PREFIX = 8
"""Characters of a fingerprint that a mark in a file must at least give."""
_LISTED = 20
"""Notices of one kind before the rest is counted."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Findings sorted into those to tell and those not to."""

    findings: tuple[Finding, ...]
    silenced: tuple[Finding, ...]
    dropped: tuple[Dropped, ...]
    """The silenced ones as results carry them."""
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """One statement that something need not be said."""

    kind: Kind
    where: str
    reason: str
    names: tuple[str, ...]
    """Empty: whatever it is about."""
    ceiling: Severity | None = None
    mark: Mark | None = None


def suppress(
    findings: Sequence[Finding],
    *,
    marks: Callable[[Finding], Iterable[Mark]],
    own: Iterable[Mark],
    memory: Sequence[Suppression],
    today: date,
) -> Suppressed:
    """Sort the findings. `marks`: those in the file that are about a finding; `own`: all that the change brings.
    `memory`: what the trusted place and the user say, expired entries included."""
    known = _Memory(tuple(entry for entry in memory if not entry.expired(today)))
    told: list[Finding] = []
    by: list[tuple[Finding, _Word]] = []
    diary = _Diary()
    for finding in findings:
        there = tuple(marks(finding))
        words = [_of_mark(mark) for mark in there if not mark.own and not mark.void]
        word = _silencer(finding, [*words, *known.about(finding)])
        if word is None:
            brought = _silencer(finding, [_of_mark(mark) for mark in there if mark.own and not mark.void], own=True)
            if brought is not None and finding.severity is not Severity.BLOCKER:
                word = brought
            diary.note(finding, there, brought)
        if word is None:
            told.append(finding)
        else:
            by.append((finding, word))
    return Suppressed(
        findings=tuple(told),
        silenced=tuple(finding for finding, _ in by),
        dropped=tuple(_dropped(finding, word) for finding, word in by),
        notices=(*diary.notices(own, by), *_expired(memory, today)),
    )


def _of_mark(mark: Mark) -> _Word:
    return _Word(kind="inline", where=mark.where, reason=mark.reason, names=mark.names, mark=mark)


def _silencer(finding: Finding, words: Sequence[_Word], *, own: bool = False) -> _Word | None:
    """The first word that silences the finding. A tool's blocker may be several tools' fact, and a model can make two
    facts look like one: so every rule of it has to be named. `own`: what a blocker needs does not matter, since
    nothing of the change silences one."""
    words = [word for word in words if _holds(finding, word, own=own)]
    direct = (w for w in words if not w.names or any(_is_fingerprint(finding, name) for name in w.names))
    if (word := next(direct, None)) is not None:
        return word
    rules = _rules(finding)
    if finding.deterministic_severity is Severity.BLOCKER:
        named = {rule for word in words for name in word.names for rule in rules if _names_rule(name, rule)}
        whole = bool(rules) and named == set(rules)
        return next((w for w in words if _names_one(w, rules)), None) if whole else None
    if finding.rule and finding.rule not in rules:
        rules = (*rules, finding.rule)
    return next((w for w in words if _names_one(w, rules) or _names_source(w, finding)), None)


def _holds(finding: Finding, word: _Word, *, own: bool) -> bool:
    if finding.severity is Severity.BLOCKER and not word.reason and not own:
        return False
    return word.ceiling is None or (finding.deterministic_severity or finding.severity).rank >= word.ceiling.rank


def _rules(finding: Finding) -> tuple[str, ...]:
    """What tools call it. What a model calls it is no name to go by."""
    first = (finding.rule,) if finding.deterministic and finding.rule else ()
    return tuple(dict.fromkeys((*first, *(other.rule for other in finding.also))))


def _names_one(word: _Word, rules: Iterable[str]) -> bool:
    return any(_names_rule(name, rule) for rule in rules for name in word.names)


def _names_source(word: _Word, finding: Finding) -> bool:
    """Whether it is about what a pipeline says. That a model agrees with a tool makes the tool's word no claim of the
    model's, so there all have to be named."""
    named = set(word.names)
    return named.issuperset(finding.sources) if finding.deterministic else not named.isdisjoint(finding.sources)


def _names_rule(name: str, rule: str) -> bool:
    """Whether a name means the rule, also where another tool calls the fact so."""
    return name.casefold() == rule.casefold() or not same_rules.facts(name).isdisjoint(same_rules.facts(rule))


def _is_fingerprint(finding: Finding, name: str) -> bool:
    return len(name) >= MIN_PREFIX and any(known.startswith(name.lower()) for known in finding.prints)


class _Memory:
    """Entries by what they are about: ten thousand of them must not be tried for each finding."""

    def __init__(self, entries: Sequence[Suppression]) -> None:
        self._by_print: dict[str, list[int]] = {}
        self._by_rule: dict[str, list[int]] = {}
        self._globs: dict[tuple[str, ...], Globs] = {}
        self._entries = entries
        for n, entry in enumerate(entries):
            if entry.fingerprint is not None:
                self._by_print.setdefault(entry.fingerprint, []).append(n)
            if entry.rule is not None:
                for key in _keys(entry.rule):
                    self._by_rule.setdefault(key, []).append(n)

    def about(self, finding: Finding) -> list[_Word]:
        """What is said about the finding, the team's word before the user's, in their order."""
        if not self._entries:
            return []
        found = {n for name in finding.prints for n in self._by_print.get(name, ())}
        for rule in {*_rules(finding), *((finding.rule,) if finding.rule else ())}:
            found.update(n for key in _keys(rule) for n in self._by_rule.get(key, ()))
        entries = [self._entries[n] for n in sorted(found) if self._in_paths(self._entries[n], finding)]
        entries.sort(key=lambda entry: (entry.source != "memory", entry.where, entry.reason))
        return [
            _Word(
                kind=entry.source,
                where=entry.where,
                reason=entry.reason,
                names=(entry.name,),
                ceiling=entry.severity,
            )
            for entry in entries
        ]

    def _in_paths(self, entry: Suppression, finding: Finding) -> bool:
        if not entry.paths:
            return True
        if entry.paths not in self._globs:
            self._globs[entry.paths] = Globs(entry.paths)
        return self._globs[entry.paths].match(finding.path)


def _keys(rule: str) -> frozenset[str]:
    return same_rules.facts(rule) | {rule.casefold()}


@dataclass(slots=True)
class _Diary:
    """What marks in the files came to, where that is worth telling."""

    kept: dict[Mark, list[Finding]] = field(default_factory=dict)
    """The change's own marks that were to silence a blocker."""
    idle: list[tuple[Mark, Finding, str]] = field(default_factory=list)
    """Marks of the target branch that silence nothing, and what they lack."""

    def note(self, finding: Finding, there: Sequence[Mark], brought: _Word | None) -> None:
        """Remember what stood there and did not silence the finding."""
        if brought is not None and brought.mark is not None and finding.severity is Severity.BLOCKER:
            self.kept.setdefault(brought.mark, []).append(finding)
        for mark in there:
            if mark.own:
                continue
            if mark.void:
                self.idle.append((mark, finding, mark.void))
            elif not mark.reason and _silencer(finding, [_of_mark(mark)], own=True) is not None:
                self.idle.append((mark, finding, f"a blocker needs a reason: {mark.written} reason"))

    def notices(self, own: Iterable[Mark], by: Sequence[tuple[Finding, _Word]]) -> Iterator[Notice]:
        """One notice a mark; where there are many, the rest is counted."""
        silenced: dict[Mark, list[Finding]] = {}
        for finding, word in by:
            if word.mark is not None and word.mark.own:
                silenced.setdefault(word.mark, []).append(finding)
        mine = sorted(
            dict.fromkeys((*own, *self.kept, *silenced)), key=lambda mark: (mark not in self.kept, mark not in silenced)
        )
        for mark in mine[:_LISTED]:
            yield _brought(mark, silenced.get(mark, []), self.kept.get(mark, []))
        if len(mine) > _LISTED:
            yield Notice("own-ignore", f"the change itself adds {len(mine) - _LISTED:,} more `loom: ignore`")
        for mark, finding, lacks in self.idle[:_LISTED]:
            message = f"{mark.where}: `{mark.written}` does not silence {_named([finding])}"
            yield Notice("idle-ignore", message, lacks)


def _brought(mark: Mark, silenced: Sequence[Finding], kept: Sequence[Finding]) -> Notice:
    """The notice about a mark that the change brings."""
    said = [f"it silences {_named(silenced)}"] if silenced else []
    said += [f"it does not silence the blocker {_named(kept)}"] if kept else []
    if mark.void:
        said = ["it silences nothing"]
    how = {"added": "the change itself adds", "revived": "the change puts in force"}
    brings = how.get(mark.origin, "only the diff is known, so it may be the change that puts in force")
    what = "; ".join(said) or "it silences nothing that was found"
    hint = mark.void or ("a blocker is silenced by what the target branch has, not by the change" if kept else "")
    why = f" ({mark.reason})" if mark.reason else ""
    return Notice("own-ignore", f"{mark.where}: {brings} `{mark.written}`{why}: {what}", hint)


def _named(findings: Sequence[Finding]) -> str:
    shown = [f'"{(f.title or f.message)[:80]}"' + (f" ({f.rule})" if f.rule else "") for f in findings[:3]]
    return ", ".join(shown) + (f" and {len(findings) - 3:,} more" if len(findings) > 3 else "")


def _expired(memory: Sequence[Suppression], today: date) -> Iterator[Notice]:
    """One notice about all that no longer holds."""
    over = [entry for entry in memory if entry.expired(today)]
    if not over:
        return
    shown = ", ".join(f"{entry.name} ({entry.where}, until {entry.expires})" for entry in over[:3])
    rest = f" and {len(over) - 3:,} more" if len(over) > 3 else ""
    message = f"{len(over):,} ignored {'entry has' if len(over) == 1 else 'entries have'} expired: {shown}{rest}"
    yield Notice("expired-ignore", message, "renew what still holds, and take out the rest")


# -- in results --------------------------------------------------------------------------------------------------------


def _dropped(finding: Finding, word: _Word) -> Dropped:
    entry = finding_as_json(finding)
    entry["fingerprint"] = finding.fingerprint
    entry["aliases"] = list(finding.aliases)
    entry["sources"] = list(finding.sources)
    entry["deterministic"] = finding.deterministic
    entry["suppressed_by"] = {"kind": word.kind, "where": word.where, "reason": word.reason}
    return Dropped("suppressed", entry)


def silenced_before(dropped: Iterable[Dropped]) -> Iterator[Finding]:
    """The findings that an earlier result silenced, as far as recognising them again needs it: what was silenced is not
    new when it is said again, nor fixed."""
    for drop in dropped:
        if drop.reason == "suppressed" and (finding := _finding(drop.finding)) is not None:
            yield finding


def _finding(entry: Mapping[str, object]) -> Finding | None:
    """The finding of a dropped entry; None for one that lacks what is needed (another version wrote it)."""
    text = {key: entry.get(key) for key in ("fingerprint", "pipeline", "path", "title", "message")}
    if not all(isinstance(value, str) for value in text.values()) or entry.get("side") not in get_args(Side):
        return None
    aliases = entry.get("aliases")
    line, rule, quote = entry.get("line"), entry.get("rule"), entry.get("quote")
    place = line if isinstance(line, int) else None
    deterministic = entry.get("deterministic") is True
    level = next((s for s in Severity if s.value == entry.get("severity")), Severity.INFO)
    return Finding(
        fingerprint=str(text["fingerprint"]),
        pipeline=str(text["pipeline"]),
        sources=(str(text["pipeline"]),),
        rule=rule if isinstance(rule, str) else None,
        category="other",
        severity=level,
        title=str(text["title"]),
        message=str(text["message"]),
        path=str(text["path"]),
        line=place,
        end_line=place,
        column=None,
        side="old" if entry["side"] == "old" else "new",
        quote=quote if isinstance(quote, str) else None,
        suggestion=None,
        confidence=None,
        anchor="file",
        deterministic=deterministic,
        deterministic_severity=level if deterministic else None,
        rule_url=None,
        aliases=tuple(name for name in aliases if isinstance(name, str)) if isinstance(aliases, list | tuple) else (),
    )
