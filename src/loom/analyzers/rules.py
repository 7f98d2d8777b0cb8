"""Built-in review by syntax: the rule pack and a team's own rules, on the lines that a change adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from loom.analyzers import fragments, rule_pack
from loom.analyzers.base import Report
from loom.analyzers.fragments import Piece
from loom.analyzers.rule_file import FORMAT, Rule, Variant, check_matchers, read
from loom.analyzers.rule_pack import Catalogue, Entry, entry_of, pack
from loom.analyzers.subject import Subject
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, decode_text, show_path
from loom.core.errors import ConfigError
from loom.core.finding import RawFinding
from loom.core.result import Notice
from loom.infra import syntax
from loom.infra.file_kinds import in_tests, is_vendored
from loom.infra.globs import Globs
from loom.infra.syntax import Match

MAX_SPAN = 10
"""A finding on more lines points at its first line: a comment over half a screen hides the code it is about."""

__all__ = ("MAX_SPAN", "Rule", "Rules", "load", "pack", "read")

MAX_LINE = 400
"""Characters. In a longer line the code was written by a program, and a comment points at everything."""

_RULE_HELP = "https://ast-grep.github.io/reference/rule.html"
_NO_FILE = "it cannot be read: a link, a folder, too large, or not permitted"
_NOT_CODE = frozenset(("120000", "160000"))  # git modes: a symbolic link, a submodule


Extra = Iterable[tuple[str, bytes | None]]
"""A team's own rule files as (name to show, content); None for one that is no regular file: a link, a folder."""


class Rules:
    """The rule engine, with a team's own rules."""

    def __init__(self, extra: Extra = ()) -> None:
        self._extra = tuple(extra)

    def run(self, change: ChangeSet, files: Files) -> Report:
        """Every place where a rule matches and the match touches an added line, in order of files and lines."""
        touched = [_Touched(file, language, added) for file in change.files for language, added in _added(file)]
        if not touched:
            return Report()
        entries, notices = _entries(self._extra)
        work = _Work(Catalogue(entries), list(notices), own=tuple(file for file, _ in self._extra))
        for item in touched:
            work.look_at(item, files)
        return work.report()


def load(extra: Extra = ()) -> tuple[tuple[Rule, ...], tuple[Notice, ...]]:
    """The pack and the rules in `extra`, sorted by id. A file with an error is a notice, the others are kept; so is
    one whose id is taken."""
    entries, notices = _entries(extra)
    return tuple(entry.rule for entry in entries), notices


def _entries(extra: Extra) -> tuple[tuple[Entry, ...], tuple[Notice, ...]]:
    """See load."""
    known = {entry.id: entry for entry in rule_pack.entries()}
    notices: list[Notice] = []
    for file, data in extra:
        if data is None:
            notices.append(Notice("rule-file", f"{file}: {_NO_FILE}", "make it a regular file"))
            continue
        try:
            rule = read(data, file=file)
        except ConfigError as error:
            notices += [Notice("rule-file", str(problem), error.hint or FORMAT) for problem in error.problems]
            continue
        refused = check_matchers(rule)
        notices += [Notice("rule-file", message, _RULE_HELP) for message in refused]
        if rule.id in known:
            taken = known[rule.id].rule.file
            notices.append(Notice("rule-file", f'{file}: the id "{rule.id}" is taken by {taken}', "choose another id"))
        elif not refused:
            known[rule.id] = entry_of(rule)
    return tuple(known[key] for key in sorted(known)), tuple(notices)


@dataclass(frozen=True, slots=True)
class _Touched:
    """A file in a language with rules, and the lines it gained."""

    file: FileChange
    language: str
    added: frozenset[int]

    @property
    def in_tests(self) -> bool:
        return in_tests(self.file.path)


def _added(file: FileChange) -> Iterator[tuple[str, frozenset[int]]]:
    """A file's language and its new lines, where rules can be about them."""
    if file.binary or file.new_mode in _NOT_CODE or is_vendored(file.path):
        return
    if (language := syntax.rule_language_of(file.path)) is None:
        return
    if added := frozenset(file.added_lines()):
        yield language, added


@dataclass(slots=True)
class _Work:
    """One run over a change."""

    catalogue: Catalogue
    notices: list[Notice]
    own: tuple[str, ...] = ()
    """The team's rule files."""
    findings: list[RawFinding] = field(default_factory=list)
    not_reviewed: list[str] = field(default_factory=list)
    hunks_only: list[str] = field(default_factory=list)
    minified: set[str] = field(default_factory=set)
    """Files with matches in lines that nobody wrote by hand."""
    globs: dict[tuple[str, ...], Globs] = field(default_factory=dict)

    def look_at(self, item: _Touched, files: Files) -> None:
        """One file: as a whole where it is known and not too long, else hunk by hunk."""
        if not self.catalogue.knows(item.language):
            return
        data = files.head(item.file.path)
        text = None if data is None else decode_text(data)
        if text is not None and len(text) <= syntax.MAX_CHARS:
            chosen = list(self._applicable(item, text, whole=True))
            subject = Subject(text, item.language)
            if not chosen:
                return
            if subject.too_deep:
                self.not_reviewed.append(item.file.path)
                return
            if subject.readable:
                self._apply(item, Piece(subject, tuple(text.split("\n")), whole=True), chosen)
                return
        self.hunks_only.append(item.file.path)
        for hunk in item.file.hunks:
            piece = fragments.piece(hunk, item.language)
            if piece is not None:
                self._apply(item, piece, self._applicable(item, piece.subject.text, whole=False))

    def _apply(self, item: _Touched, piece: Piece, chosen: Iterable[tuple[Rule, Variant]]) -> None:
        found: list[RawFinding] = []
        added = {number - piece.shift for number in item.added} if piece.shift else item.added
        for rule, variant in chosen:
            try:
                matches = piece.subject.matches(variant, lines=added)
            except syntax.RuleError as error:  # only what `check` cannot see without a text
                self._notice_once(Notice("rule-file", f"{rule.file}:{variant.line}: {error}", FORMAT))
                continue
            for finding in _findings(item, piece, rule, variant, matches):
                if any(len(line) > MAX_LINE for line in (finding.quote or "").split("\n")):
                    self.minified.add(item.file.path)
                else:
                    found.append(finding)
        # The same fact twice on one line (`f(a=[], b=[])`) is one comment.
        first = {(finding.line, finding.rule): finding for finding in reversed(found)}
        self.findings += sorted(first.values(), key=lambda finding: (finding.line or 0, finding.rule or ""))

    def _applicable(self, item: _Touched, text: str, *, whole: bool) -> Iterator[tuple[Rule, Variant]]:
        for rule, variant in self.catalogue.applicable(text, item.language):
            if (item.in_tests and rule.skip_tests) or (variant.whole_file and not whole):
                continue
            if not variant.paths or self._globs(variant.paths).match(item.file.path):
                yield rule, variant

    def _globs(self, patterns: tuple[str, ...]) -> Globs:
        if patterns not in self.globs:
            self.globs[patterns] = Globs(patterns)
        return self.globs[patterns]

    def _notice_once(self, notice: Notice) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def report(self) -> Report:
        """What was found, and what could only be seen in part."""
        if self.hunks_only:
            message = (
                f"{len(self.hunks_only)} file(s) were known as hunks only: rules that need whole files did not run"
            )
            hint = "review from a repository (--base, --commit) instead of a bare diff"
            self.notices.append(Notice("rules-hunks-only", message, hint))
        if self.minified:
            names = ", ".join(sorted(self.minified)[:3]) + (" …" if len(self.minified) > 3 else "")
            message = (
                f"what rules match in lines of more than {MAX_LINE} characters (minified code) is left out: {names}"
            )
            self.notices.append(Notice("rules-minified", message))
        return Report(tuple(self.findings), tuple(self.not_reviewed), tuple(self.notices), tuple(self._gaps()))

    def _gaps(self) -> Iterator[str]:
        """A team's rule that did not run is a gap in the review. What is wrong is said once, by the notices."""
        told = [notice.message for notice in self.notices if notice.slug == "rule-file"]
        broken = [file for file in self.own if any(message.startswith(f"{file}:") for message in told)]
        if broken:
            names = ", ".join(map(show_path, broken[:3])) + (" …" if len(broken) > 3 else "")
            yield f"{len(broken)} rule file(s) with errors did not run: {names}"


def _findings(
    item: _Touched, piece: Piece, rule: Rule, variant: Variant, matches: Iterable[Match]
) -> Iterator[RawFinding]:
    """A finding for each match that touches an added line."""
    before = piece.shift + piece.skipped + 1
    for match in matches:
        start, end = match.start_line + piece.shift, match.end_line + piece.shift
        touched = [number for number in range(start, end + 1) if number in item.added]
        if not touched:
            continue
        all_new = len(touched) == end - start + 1
        suggestion = _suggestion(piece.subject.text, variant, match) if all_new and piece.whole else None
        first, last = touched[0], end if all_new else touched[-1]
        if last - first >= MAX_SPAN and suggestion is None:
            last = first
        yield RawFinding(
            path=item.file.path,
            message=f"{rule.why}\n\n{rule.fix}",
            title=rule.message,
            line=first,
            end_line=last,
            column=match.start_col + piece.indent if first == start else None,
            severity=rule.severity,
            category=rule.category,
            quote="\n".join(piece.lines[first - before : last - before + 1]),
            suggestion=suggestion,
            rule=rule.id,
            rule_url=rule.url,
        )


def _suggestion(text: str, variant: Variant, match: Match) -> str | None:
    """The lines of the match with its text rewritten."""
    new = variant.rewritten(match.captures)
    if new is None:
        return None
    begin = text.rfind("\n", 0, match.start) + 1
    end = text.find("\n", match.end)
    return text[begin : match.start] + new + text[match.end : end if end >= 0 else len(text)]
