"""Which anchored findings report one fact: clusters of them, whatever their order.

Two findings are alike when they stand on overlapping lines of one side and share a rule, have rules that are known to
report one fact (`same_rules`), or say the same (likeness). Rules that are known to report different facts, two rules of
one tool, and tools that quote different names are not alike by their words. What one tool says twice with one rule in
other words are two facts, and nothing that a third says links them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.core.diff import Side
from loom.core.finding import SAME_TEXT, Anchor, RawFinding, Severity, Suggestion, likeness, words
from loom.engine import same_rules

_MOST_PAIRS = 2_000_000
"""Pairs that are compared in one file; ten thousand findings on one line are fifty million. Beyond it, each is compared
with its next ones only: more stay separate, none is lost."""
_FEWEST_PAIRS = 100

_QUOTED = re.compile(r"(?<!\w)(?:'([^'\n]{1,80})'|\"([^\"\n]{1,80})\"|`([^`\n]{1,80})`)(?!\w)")
_PART_OF_NAME = re.compile(r"[\w$@-]+")


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
    builtin: bool = False
    """By an analyzer of ours: it is there in every run, and its texts say why and what to do."""

    @property
    def text(self) -> str:
        """What it says, for likeness."""
        return f"{self.raw.title} {self.raw.message}"


def quoted(text: str) -> tuple[str, ...]:
    """The names that a tool's sentence is about: what stands in quotes, each once, sorted."""
    return tuple(sorted({one or two or three for one, two, three in _QUOTED.findall(text)}))


def clusters(found: Sequence[Anchored]) -> list[list[Anchored]]:
    """Connected components of likeness, as far as they put no two facts together; members keep their order."""
    groups: dict[int, list[Anchored]] = defaultdict(list)
    by_place: dict[tuple[str, Side], dict[tuple[int | None, int | None, str], list[int]]] = defaultdict(dict)
    for i, a in enumerate(found):
        # What says the same about the same lines is one without a look at the others.
        by_place[a.raw.path, a.side].setdefault((a.line, a.end_line, a.text), []).append(i)
    first_of = list(range(len(found)))
    for same in by_place.values():
        voices = [_Voice.of(members, found) for members in same.values()]
        for voice, first in zip(voices, _joined(voices), strict=True):
            for i in voice.members:
                first_of[i] = first
    for i, a in enumerate(found):
        groups[first_of[i]].append(a)
    return list(groups.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    """All findings that say one text about the same lines."""

    members: tuple[int, ...]
    """Indices, ascending."""
    line: int | None
    end: int | None
    text: str
    words: frozenset[str]
    names: frozenset[str]
    """What the text quotes, in its parts; empty where nothing, or for our own texts: they quote code and advice."""
    parts: frozenset[str]
    """All that could be a name in a text that quotes some."""
    facts: frozenset[tuple[str, str | None]]
    """(pipeline, rule) of the deterministic ones."""
    claims: frozenset[str]
    """Rules of the models' ones."""

    @classmethod
    def of(cls, members: Sequence[int], found: Sequence[Anchored]) -> _Voice:
        first = found[members[0]]
        everyone = [found[i] for i in members]
        tools = any(a.deterministic for a in everyone) and not any(a.builtin for a in everyone)
        names = frozenset(_PART_OF_NAME.findall("\n".join(quoted(first.text)))) if tools else frozenset()
        return cls(
            members=tuple(members),
            line=first.line,
            end=first.end_line or first.line,
            text=first.text,
            words=words(first.text),
            names=names,
            parts=frozenset(_PART_OF_NAME.findall(first.text)) if names else frozenset(),
            facts=frozenset((a.pipeline, a.raw.rule) for a in everyone if a.deterministic),
            claims=frozenset(a.raw.rule for a in everyone if not a.deterministic and a.raw.rule),
        )

    @property
    def rules(self) -> Iterator[tuple[str, str]]:
        """(pipeline, rule) of the deterministic ones that have a rule."""
        return ((pipeline, rule) for pipeline, rule in self.facts if rule)


def _joined(voices: Sequence[_Voice]) -> list[int]:
    """The first member of each voice's cluster, for the voices of one side of one file."""
    order = sorted(range(len(voices)), key=lambda v: (voices[v].line or 0, voices[v].members[0]))
    components = _Components(voices)
    partners = _Partners()
    by_rule: list[tuple[bool, int, int]] = []
    by_words: list[tuple[int, int]] = []
    for i, j in _overlapping([voices[v] for v in order]):
        v, w = order[i], order[j]
        a, b = voices[v], voices[w]
        if a.text == b.text:
            components.join(v, w)
        elif _share_a_fact(a, b):
            by_rule.append((a.names.isdisjoint(b.names), v, w))
        elif _say_the_same(a, b):
            by_words.append((v, w))
    # Tools by their rules first, those before that name the same: a model's sentence may be like several of them.
    for _, v, w in sorted(by_rule, key=lambda pair: pair[0]):
        if partners.free(v, w, voices[v], voices[w]) and components.join(v, w):
            partners.take(v, w, voices[v], voices[w])
    for v, w in by_words:
        components.join(v, w)
    return [components.first(v) for v in range(len(voices))]


def _overlapping(voices: Sequence[_Voice]) -> Iterator[tuple[int, int]]:
    """The pairs on overlapping lines, of voices in the order of their lines."""
    most = max(_FEWEST_PAIRS, _MOST_PAIRS // max(1, len(voices)))
    for i, a in enumerate(voices):
        for j in range(i + 1, min(len(voices), i + 1 + most)):
            b = voices[j]
            if a.line is None:
                if b.line is not None:
                    break
            elif b.line is None or b.line > (a.end or a.line):
                break  # in the order of lines: nothing after it can overlap either
            yield i, j


def _share_a_fact(a: _Voice, b: _Voice) -> bool:
    """Whether two tools have rules for one fact. A model's rule is its own invention, and no name of a fact."""
    if _name_others(a, b):
        return False
    one_start = a.line == b.line
    return any(p != q and same_rules.same(r, s, one_start=one_start) for p, r in a.rules for q, s in b.rules)


def _say_the_same(a: _Voice, b: _Voice) -> bool:
    """Whether two voices are one by their words, or by a rule that a model names."""
    if not a.claims.isdisjoint(b.claims | {rule for _, rule in b.facts}):
        return True
    if not b.claims.isdisjoint({rule for _, rule in a.facts}):
        return True
    if a.facts and b.facts and not (a.claims or b.claims) and _told_apart(a, b):
        return False
    return likeness(a.words, b.words) >= SAME_TEXT


def _told_apart(a: _Voice, b: _Voice) -> bool:
    """Whether tools mean two things, however like their sentences are: one tool that has two rules or two sentences for
    it, rules that are known for different facts, or different names."""
    if _name_others(a, b):
        return True
    return any(
        (p == q and (r == s or (r and s))) or (r and s and same_rules.known(r) and same_rules.known(s))
        for p, r in a.facts
        for q, s in b.facts
    )


def _name_others(a: _Voice, b: _Voice) -> bool:
    """Whether both quote names, and neither speaks of any that the other quotes (`"strnig" is not a valid typeof value`
    and `Invalid 'typeof' comparison value` are one)."""
    return bool(a.names and b.names) and a.names.isdisjoint(b.parts) and b.names.isdisjoint(a.parts)


class _Partners:
    """Which finding reports the same fact as which of another tool, by the names of their rules. One that spans many
    lines (checkov's whole resource) is the same as one of several that stand there, not the link between them."""

    def __init__(self) -> None:
        self._taken: set[tuple[int, str, str]] = set()

    def free(self, v: int, w: int, a: _Voice, b: _Voice) -> bool:
        """Whether neither has another partner for what the other says."""
        return self._taken.isdisjoint(self._keys(v, w, a, b))

    def take(self, v: int, w: int, a: _Voice, b: _Voice) -> None:
        """The two are partners."""
        self._taken.update(self._keys(v, w, a, b))

    @staticmethod
    def _keys(v: int, w: int, a: _Voice, b: _Voice) -> set[tuple[int, str, str]]:
        return {(v, *rule) for rule in b.rules} | {(w, *rule) for rule in a.rules}


class _Components:
    """Union–find over voices. A cluster holds no two sentences of one tool with one rule: those are two facts."""

    def __init__(self, voices: Sequence[_Voice]) -> None:
        self._parent = list(range(len(voices)))
        self._first = [voice.members[0] for voice in voices]
        self._says = [dict.fromkeys(voice.facts, voice.text) for voice in voices]

    def first(self, v: int) -> int:
        """The first member of the cluster that the voice is in."""
        return self._first[self._root(v)]

    def join(self, v: int, w: int) -> bool:
        """Make one cluster of the two; False where that would put two facts together."""
        a, b = self._root(v), self._root(w)
        if a == b:
            return True
        small, large = sorted((a, b), key=lambda root: (len(self._says[root]), root))
        said = self._says[large]
        if any(said.get(rule, text) != text for rule, text in self._says[small].items()):
            return False
        said.update(self._says[small])
        self._parent[small] = large
        self._first[large] = min(self._first[a], self._first[b])
        return True

    def _root(self, v: int) -> int:
        while self._parent[v] != v:
            self._parent[v] = self._parent[self._parent[v]]
            v = self._parent[v]
        return v
