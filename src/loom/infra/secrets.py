"""Secrets in text: where they stand, and the text without them.

Nothing goes to a model, a log, a cache or a result without passing a `Masker`. Formats: `secret_rules`; guesses by
name: `secret_context`; Loom's own keys in every disguise: `known_secrets`; keys over many lines: `key_blocks`; the same
secret where nothing beside it tells: `repeated_secrets`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from loom.infra import regex
from loom.infra.key_blocks import bare_runs, key_blocks, may_be_inside, runs_of
from loom.infra.known_secrets import KnownSecrets
from loom.infra.repeated_secrets import RepeatedSecrets, lasting
from loom.infra.secret_context import CONTEXTS, entropy, plausible, unquoted
from loom.infra.secret_rules import FORMATS, Rule

MARK = re.compile(r"\[REDACTED:([a-z0-9-]{1,40}):([0-9]{1,9})\]")
"""What stands for a secret: its rule, and a number that is the same where the secret was the same in one call."""

PRIVATE_KEY = "private-key"
OWN_SECRET = "own-secret"  # noqa: S105 (a rule's name)

RULES: tuple[Rule, ...] = (*FORMATS, *CONTEXTS)
"""All but `private-key` and `own-secret`, which are no patterns. The first ones name a hit that several make."""

_TITLES = {rule.id: rule.title for rule in RULES} | {
    PRIVATE_KEY: "a private key",
    OWN_SECRET: "one of Loom's own keys",
}
_RANKS = {rule_id: rank for rank, rule_id in enumerate((OWN_SECRET, PRIVATE_KEY, *(rule.id for rule in RULES)))}
_WEAK = frozenset(rule.id for rule in CONTEXTS)

Secrets = Mapping[str, str]
"""Value -> the rule that found it. Never printed, never kept longer than the run."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One secret. Offsets count characters; `line` is 1-based and where it begins."""

    rule: str
    start: int
    end: int
    line: int


def title(rule: str) -> str:
    """What a rule finds, as the middle of a sentence: "a GitHub token"."""
    return _TITLES.get(rule, "a secret")


def is_guess(rule: str) -> bool:
    """Whether the rule goes by a name or place beside the secret, not by the secret's own form."""
    return rule in _WEAK


def find(text: str) -> tuple[Hit, ...]:
    """Every secret in a text, in order, none overlapping another. Marks of earlier masking are no secrets."""
    return tuple(_numbered(text, _joined(_search(_blanked(text)))))


@dataclass(frozen=True, slots=True)
class Taken:
    """Lines without their secrets, and what was taken out."""

    lines: list[str]
    places: tuple[tuple[int, str], ...]
    """(index of the line from 0, rule), once per line and rule, in order."""
    secrets: Secrets = field(repr=False)
    """What is to be masked elsewhere too."""


class Masker:
    """Takes secrets out of text. `known`: Loom's own keys, found in every disguise. `rules=False` (redaction turned
    off) leaves only those.

    A secret becomes `[REDACTED:<rule>:<n>]`; the same secret gets the same number within one call, numbers follow the
    order of appearance, and nothing else goes in: the same text always gives the same bytes. Masking twice changes
    nothing, the number of lines stays.
    """

    __slots__ = ("_known", "_learned", "_rules")

    def __init__(self, known: Iterable[str] = (), *, rules: bool = True) -> None:
        self._known = KnownSecrets(known)
        self._learned = RepeatedSecrets({})
        self._rules = rules

    def knowing(self, secrets: Secrets) -> Masker:
        """A masker that finds these too, wherever they stand (none of them with rules off). What this one had learned
        is not taken over."""
        wiser = Masker(rules=self._rules)
        wiser._known, wiser._learned = self._known, RepeatedSecrets(secrets)
        return wiser

    def knows_of(self, text: str) -> bool:
        """Whether something learned stands in the text."""
        return next(self._learned.spans(text), None) is not None

    def mask(self, text: str) -> str:
        """The text without secrets."""
        return self._masked(text)[0]

    def mask_lines(self, lines: Sequence[str]) -> tuple[list[str], tuple[tuple[int, str], ...]]:
        """The lines (none holds a line feed) without secrets, as many as before, and (index of the line from 0, rule)
        of each secret, once per line and rule, in order. A key over many lines counts where it begins."""
        taken = self.take(lines)
        return taken.lines, taken.places

    def take(self, lines: Sequence[str]) -> Taken:
        """The lines as `mask_lines` gives them, and the secrets, for `knowing`."""
        if not lines:
            return Taken([], (), {})
        text, places, secrets = self._masked("\n".join(lines))
        return Taken(text.split("\n"), tuple(sorted(places)), secrets)

    def inside_key(self, lines: Sequence[str], whole: Callable[[], str | None]) -> Secrets:
        """The lines of a private key among `lines` of a file when its begin and end are elsewhere in the file, which
        `whole` gives (asked only where it matters; None when it is not known)."""
        if not self._rules or not may_be_inside(lines):
            return {}
        text = whole()
        if text is None:
            return dict.fromkeys(bare_runs(lines), PRIVATE_KEY)
        blocks = (text[start:end] for start, end in key_blocks(text))
        return {run: PRIVATE_KEY for block in blocks for run in runs_of(block)}

    def _masked(self, text: str) -> tuple[str, set[tuple[int, str]], dict[str, str]]:
        """Masks until nothing is left: with a secret gone, another may have come to stand beside its key word. Ends,
        since every round leaves less that is not a mark; real text needs one round and a look."""
        places: set[tuple[int, str]] = set()
        secrets: dict[str, str] = {}
        numbers = _Numbers(text)
        while spans := self._spans(text, secrets):
            places.update((hit.line - 1, hit.rule) for hit in _numbered(text, spans))
            text = _replaced(text, spans, numbers)
        return text, places, secrets

    def _spans(self, text: str, secrets: dict[str, str]) -> list[_Span]:
        """What is still there. What of it is worth looking for elsewhere goes into `secrets`."""
        blank = _blanked(text)
        spans = [_Span(OWN_SECRET, start, end) for start, end in self._known.spans(blank)]
        if self._rules:
            found = _search(blank)
            learn(secrets, ((value, span.rule) for span in found for value in _lasting(blank, span)))
            repeated = (self._learned, RepeatedSecrets(secrets)) if found else (self._learned,)
            spans += [*found, *(_Span(*place) for each in repeated for place in each.spans(blank))]
        return _joined(spans)


def learn(secrets: dict[str, str], more: Iterable[tuple[str, str]]) -> None:
    """Add (value, rule); a value that several rules found goes by the most telling one, in whatever order."""
    for value, rule in more:
        secrets[value] = min(secrets.get(value, rule), rule, key=_RANKS.__getitem__)


@dataclass(frozen=True, slots=True)
class _Span:
    rule: str
    start: int
    end: int


class _Numbers:
    """Numbers for secrets, beginning after those that earlier marks in the text use."""

    def __init__(self, text: str) -> None:
        self._given: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        for mark in MARK.finditer(text) if "[REDACTED:" in text else ():
            if len(mark[2]) < 7:  # a forged mark must not push ours past what MARK knows
                self._last[mark[1]] = max(self._last.get(mark[1], 0), int(mark[2]))

    def mark(self, rule: str, secret: str) -> str:
        """What stands for this secret."""
        if (rule, secret) not in self._given:
            self._last[rule] = self._given[rule, secret] = self._last.get(rule, 0) + 1
        return f"[REDACTED:{rule}:{self._given[rule, secret]}]"


def _blanked(text: str) -> str:
    """The text with every mark as NULs, which no rule takes for a part of a secret."""
    return MARK.sub(lambda mark: "\0" * len(mark[0]), text) if "[REDACTED:" in text else text


def _search(text: str) -> list[_Span]:
    return [*_by_rules(text), *(_Span(PRIVATE_KEY, start, end) for start, end in key_blocks(text))]


def _by_rules(text: str) -> Iterator[_Span]:
    for number in sorted(_formats().matching(text)):
        rule = FORMATS[number]
        for match in _pattern(rule.pattern).finditer(text):
            start, end = match.span(rule.group)
            if not rule.entropy or entropy(text[start:end]) >= rule.entropy:
                yield _Span(rule.id, start, end)
    lower = text.lower()
    for rule in CONTEXTS:
        if any(keyword in lower for keyword in rule.keywords):
            for match in _pattern(rule.pattern).finditer(text):
                yield from _judged(rule, match, text)


def _judged(rule: Rule, match: regex.Match, text: str) -> Iterator[_Span]:
    start, end = match.span(rule.group)
    lead, stop = unquoted(text[start:end])
    name = text[match.start(1) : match.end(1)]
    value = text[start + lead : start + stop]
    if plausible(rule, name=name, value=value, quoted=lead > 0, after=text[end : end + 1]):
        yield _Span(rule.id, start + lead, start + stop)


@cache
def _formats() -> regex.PatternSet:
    """All formats in one pass (250 MB/s), made on first use since it imports RE2 and takes 5 ms."""
    return regex.PatternSet(rule.pattern for rule in FORMATS)


@cache
def _pattern(source: str) -> regex.Pattern:
    return regex.compile(source)


def _lasting(text: str, span: _Span) -> Iterator[str]:
    return lasting(text[span.start : span.end], guess=span.rule in _WEAK, key=span.rule == PRIVATE_KEY)


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    """In order, overlapping ones as one that goes by the most telling rule."""
    joined: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        last = joined[-1] if joined else None
        if last is None or span.start >= last.end:
            joined.append(span)
        elif span.end > last.end or _RANKS[span.rule] < _RANKS[last.rule]:
            rule = min(last.rule, span.rule, key=_RANKS.__getitem__)
            joined[-1] = _Span(rule, last.start, max(last.end, span.end))
    return joined


def _numbered(text: str, spans: Iterable[_Span]) -> Iterator[Hit]:
    line, at = 1, 0
    for span in spans:
        line += text.count("\n", at, span.start)
        at = span.start
        yield Hit(span.rule, span.start, span.end, line)


def _replaced(text: str, spans: Iterable[_Span], numbers: _Numbers) -> str:
    pieces: list[str] = []
    at = 0
    for span in spans:
        secret = text[span.start : span.end]
        pieces += (text[at : span.start], _stand_in(secret, numbers.mark(span.rule, secret)))
        at = span.end
    return "".join((*pieces, text[at:]))


def _stand_in(secret: str, mark: str) -> str:
    """The mark on every line of the secret, behind the line's indentation or mark of a diff."""
    first, *rest = secret.split("\n")
    lines = [mark + "\r" * first.endswith("\r")] if rest else [mark]
    for line in rest:
        body = line.strip()
        lead = line[: line.index(body)] if body else line
        if body[:1] in ("+", "-") and not body.startswith("-----END"):
            lead += body[0]
        lines.append(lead + mark * bool(body.strip("+- ")) + "\r" * (bool(body) and line.endswith("\r")))
    return "\n".join(lines)
