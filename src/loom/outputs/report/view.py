"""What the HTML report shows of a result, as plain values: files with their lines, each finding at its place. Texts
are still as they came; the template's exits make HTML of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loom.core.finding import Finding, Severity, Suggestion
from loom.core.result import ResultFile, ResultHunk, ReviewResult
from loom.infra.text import one_line
from loom.outputs.excerpt import by_path, excerpt
from loom.outputs.report.lines import Line, plain_lines

MOST_LINES = 60_000
"""Lines of code on one page: about 8 MB, which a phone still scrolls. Files with findings come first; of those beyond,
only the lines around findings are shown."""
LARGE = 4_000
"""Lines from which a page is large."""
AROUND = 10
"""Lines on either side of a finding in a file that is not shown whole."""

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Card:
    """One finding on the page."""

    finding: Finding
    heading: str
    """One line: its title, else how its message begins."""
    body: str
    """The message, unless the heading says it all."""
    id: str
    """Unique on the page: the fingerprint, where it is one."""
    file: int
    sources: tuple[int, ...]
    """Positions in `Page.sources`."""
    command: str
    """What ignores it; empty when its fingerprint is none, since a command is there to be pasted into a shell."""
    excerpt: tuple[Line, ...] = ()
    """Its code, when the card does not stand below it."""
    removed: tuple[Line, ...] = ()
    """What its suggestion replaces, as far as the result holds it."""
    added: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a hunk, and the findings about the last of them."""

    lines: tuple[Line, ...]
    cards: tuple[Card, ...] = ()
    skipped: int = 0
    """Lines left out before these."""


@dataclass(frozen=True, slots=True)
class ShownHunk:
    """One hunk."""

    place: str
    section: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One file of the change, or one outside of it that a finding names."""

    number: int
    """From 0; what filters and links call it."""
    path: str
    file: ResultFile | None
    """None: it is not part of the change."""
    top: tuple[Card, ...]
    """Findings that stand at no line shown here."""
    hunks: tuple[ShownHunk, ...]
    count: int
    digits: int
    size: int
    """Lines shown, rounded up to a power of two: how much room the browser keeps before it lays the file out."""
    note: str
    """Why there is no code, or not all of it."""

    @property
    def folded(self) -> bool:
        """A file that nobody reviewed and nothing was found in waits to be opened."""
        return self.file is not None and not self.file.reviewed and not self.count


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    files: tuple[ShownFile, ...]
    cards: tuple[Card, ...]
    """In the order of findings."""
    sources: tuple[str, ...]
    """Names of the pipelines that reported something."""

    @property
    def large(self) -> bool:
        """Whether the browser had better lay out only what comes near: its guesses at the rest make scroll bars jump,
        and pictures of the whole page are blank there, so that small pages do without."""
        return sum(file.size for file in self.files) > LARGE


def page(result: ReviewResult) -> Page:
    """The page of `result`: its files in their order, then those that only findings name."""
    sources = tuple(dict.fromkeys(name for f in result.findings for name in _sources(f)))
    known = by_path(result)
    paths = list(dict.fromkeys([*known, *(f.path for f in result.findings)]))
    cards = _cards(result.findings, {path: n for n, path in enumerate(paths)}, sources)
    groups: dict[int, list[Card]] = {}
    for card in cards:
        groups.setdefault(card.file, []).append(card)
    whole = _shown_whole(known, {paths[n] for n in groups})
    files = tuple(
        _file(n, path, known.get(path), groups.get(n, ()), whole=path in whole) for n, path in enumerate(paths)
    )
    return Page(files, tuple(cards), sources)


def _sources(finding: Finding) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.sources or (finding.pipeline,)))


def _cards(findings: Sequence[Finding], files: Mapping[str, int], sources: Sequence[str]) -> list[Card]:
    taken: set[str] = set()
    cards = []
    for n, finding in enumerate(findings):
        real = _FINGERPRINT.fullmatch(finding.fingerprint) is not None
        identity = finding.fingerprint if real and finding.fingerprint not in taken else f"finding-{n + 1}"
        taken.add(identity)
        cards.append(
            Card(
                finding=finding,
                heading=(heading := one_line(finding.title or finding.message, 300)),
                body=finding.message if one_line(finding.message, 301) != heading else "",
                id=identity,
                file=files[finding.path],
                sources=tuple(sources.index(name) for name in _sources(finding)),
                command=_ignoring(finding) if real else "",
            )
        )
    return cards


def _ignoring(finding: Finding) -> str:
    """The command that silences it; a blocker is only silenced for a reason."""
    reason = " --reason WHY" if finding.severity is Severity.BLOCKER else ""
    return f"loom ignore {finding.fingerprint}{reason}"


def _shown_whole(files: Mapping[str, ResultFile], named: set[str]) -> set[str]:
    """The files whose lines fit on the page, those with findings before the others."""
    whole, room = set(), MOST_LINES
    for path in sorted(files, key=lambda path: path not in named):  # stable: else in the result's order
        size = sum(len(hunk.lines) for hunk in files[path].hunks)
        if size <= room:
            whole.add(path)
            room -= size
    return whole


def _file(number: int, path: str, file: ResultFile | None, cards: Sequence[Card], *, whole: bool) -> ShownFile:
    hunks = tuple((hunk, _numbered(hunk)) for hunk in (file.hunks if file else ()))
    new = {line.new: line.text for _, lines in hunks for line in lines if line.new is not None} if cards else {}
    cards = [_with_suggestion(card, new) for card in cards]
    places, top = _places(hunks, cards)
    shown = tuple(
        _hunk(hunk, lines, places.get(n, {}), whole=whole)
        for n, (hunk, lines) in enumerate(hunks)
        if whole or n in places
    )
    numbers = [n for _, lines in hunks for line in lines[-1:] for n in (line.old, line.new) if n]
    return ShownFile(
        number=number,
        path=path,
        file=file,
        top=tuple(_with_excerpt(card) for card in top),
        hunks=shown,
        count=len(cards),
        digits=min(len(str(max(numbers, default=1))), 9),
        size=_power_of_two(sum(len(part.lines) for hunk in shown for part in hunk.parts)),
        note=_note(file, whole=whole),
    )


def _numbered(hunk: ResultHunk) -> list[Line]:
    old, new, lines = hunk.old_start, hunk.new_start, []
    for kind, text in hunk.lines:
        lines.append(Line(kind, old if kind != "+" else None, new if kind != "-" else None, text))
        old += kind != "+"
        new += kind != "-"
    return lines


_Hunks = Sequence[tuple[ResultHunk, Sequence[Line]]]


def _places(hunks: _Hunks, cards: Sequence[Card]) -> tuple[dict[int, dict[int, list[Card]]], list[Card]]:
    """(hunk -> line in it -> the findings to show below that line, findings without such a line)."""
    index: dict[tuple[str, int], tuple[int, int]] = {}
    for n, (_, lines) in enumerate(hunks if cards else ()):
        for k, line in enumerate(lines):
            if line.new is not None:
                index[("new", line.new)] = (n, k)
            if line.old is not None:
                index[("old", line.old)] = (n, k)
    places: dict[int, dict[int, list[Card]]] = {}
    top = []
    for card in cards:
        found = _last_line(card.finding, index)
        if found is None:
            top.append(card)
        else:
            places.setdefault(found[0], {}).setdefault(found[1], []).append(card)
    return places, top


def _last_line(finding: Finding, index: Mapping[tuple[str, int], tuple[int, int]]) -> tuple[int, int] | None:
    """Where the last of the finding's lines stands that is shown in the hunk of its first."""
    if finding.line is None:
        return None
    first = at = index.get((finding.side, finding.line))
    for number in range(finding.line + 1, (finding.end_line or finding.line) + 1):
        following = index.get((finding.side, number))
        if first is None or following is None or following[0] != first[0]:
            break
        at = following
    return at


def _with_suggestion(card: Card, new: Mapping[int, str]) -> Card:
    suggestion = card.finding.suggestion
    if suggestion is None:
        return card
    added = suggestion.text.split("\n") if suggestion.text else []
    return replace(
        card,
        removed=tuple(plain_lines(_replaced(suggestion, new), "-")),
        added=tuple(plain_lines(added, "+")),
    )


def _replaced(suggestion: Suggestion, new: Mapping[int, str]) -> Sequence[str]:
    """The lines that the suggestion replaces; nothing when the result does not hold them all."""
    size = suggestion.end_line - suggestion.line + 1
    if not 0 < size <= len(new):
        return ()
    lines = [new.get(n) for n in range(suggestion.line, suggestion.end_line + 1)]
    return [text for text in lines if text is not None] if None not in lines else ()


def _with_excerpt(card: Card) -> Card:
    rows = excerpt(card.finding, None)  # its line is in no hunk: the quote has to do
    lines = tuple(Line(" ", None, row.number, row.text, card.finding.severity) for row in rows if row)
    return replace(card, excerpt=lines)


def _hunk(hunk: ResultHunk, lines: Sequence[Line], places: Mapping[int, Sequence[Card]], *, whole: bool) -> ShownHunk:
    marked = _marked(lines, [card for found in places.values() for card in found])
    keep = None if whole else {n for k in places for n in range(k - AROUND, k + AROUND + 1)}
    place = f"-{hunk.old_start} +{hunk.new_start}"
    return ShownHunk(place, hunk.section, tuple(_parts(marked, places, keep)))


def _marked(lines: Sequence[Line], cards: Sequence[Card]) -> Sequence[Line]:
    """The lines with the worst severity of the findings about each."""
    worst: dict[tuple[str, int], Severity] = {}
    for card in cards:  # in the order of findings: the worst first
        finding = card.finding
        first = finding.line or 0
        for number in range(first, min(finding.end_line or first, first + len(lines)) + 1):
            worst.setdefault((finding.side, number), finding.severity)
    if not worst:
        return lines

    def mark(line: Line) -> Severity | None:
        sides = (("new", line.new), ("old", line.old))
        found = [worst[side, number] for side, number in sides if number is not None and (side, number) in worst]
        return min(found, key=lambda severity: severity.rank, default=None)

    return [replace(line, mark=found) if (found := mark(line)) else line for line in lines]


def _parts(lines: Sequence[Line], places: Mapping[int, Sequence[Card]], keep: set[int] | None) -> Iterator[Part]:
    """The hunk cut below every line with findings; what is not in `keep` is counted instead."""
    kept: list[Line] = []
    skipped = 0
    for n, line in enumerate(lines):
        if keep is not None and n not in keep:
            if kept:
                yield Part(tuple(kept), (), skipped)
                kept, skipped = [], 0
            skipped += 1
            continue
        kept.append(line)
        if n in places:
            yield Part(tuple(kept), tuple(places[n]), skipped)
            kept, skipped = [], 0
    if kept or skipped:
        yield Part(tuple(kept), (), skipped)


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


def _note(file: ResultFile | None, *, whole: bool) -> str:
    if file is None:
        return "Not part of the change."
    if not whole:
        return "This page would be too long with all of this file: only the lines around findings are shown."
    if file.hunks:
        return ""
    if file.binary:
        return "A binary file."
    if not file.added + file.deleted:
        return _UNCHANGED.get(file.status, "No lines changed.")
    return "The result file does not hold its lines."


_UNCHANGED = {
    "renamed": "Renamed, with the same content.",
    "copied": "Copied, with the same content.",
    "mode": "Only its mode changed.",
    "typechange": "Its type changed.",
}
