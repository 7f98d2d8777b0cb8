"""builtin/hygiene: what hardly anybody means to merge. Conflict markers, leftover debugging, notes without an owner and
files by their names: here; whole files: `hygiene_files`; dependencies: `manifests`; workflows: `workflows`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache

from loom.analyzers.base import Report
from loom.analyzers.hygiene_files import about_files
from loom.analyzers.leftovers import ENV_TEMPLATE, FILES, LEFTOVERS, Leftover
from loom.analyzers.manifests import about_dependencies
from loom.analyzers.workflows import about_workflows
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, Line, decode_text
from loom.core.finding import RawFinding, Severity
from loom.infra import regex
from loom.infra.file_kinds import in_tests, is_vendored

# Where lines that look like leftovers are the subject: markup underlines titles with `=======`, patches and
# recordings quote.
_PROSE = frozenset(("md", "mdx", "markdown", "rst", "adoc", "asciidoc", "txt", "tex", "org", "pod", "html", "htm"))
_QUOTES = frozenset(("diff", "patch", "snap", "golden", "approved", "ambr", "ipynb", "svg", "lock"))

_START, _MIDDLE, _END = re.compile(r"<{7}(?: .*)?\r?"), re.compile(r"={7}\r?"), re.compile(r">{7}(?: .*)?\r?")

# Data that nobody reviews line by line; hiding the diff of these is what .gitattributes is for.
_BINARY_KIND = re.compile(
    r"(?i)\.(?:png|jpe?g|gif|webp|avif|ico|icns|bmp|tiff?|psd|svgz?|pdf|eps|ai|sketch|fig|woff2?|ttf|otf|eot|mp[34]|m4a|ogg|wav"
    r"|flac|webm|mov|avi|zip|gz|bz2|xz|zst|7z|rar|tar|tgz|jar|war|whl|exe|dll|so|dylib|a|lib|o|obj|bin|dat|db|sqlite3?|parquet"
    r"|npy|npz|h5|onnx|pt|pth|safetensors|docx?|xlsx?|pptx?|odt|ods|keystore|jks|p12|pfx|der|snap|lock|map|min\.(?:js|css))[\"*\])]*$"
    r"|(?:^|[/*])(?:[\w.-]*lock\.(?:json|ya?ml)|[\w.-]*\.sum|pnpm-lock\.yaml|cargo\.lock)$"
)
_HIDING = re.compile(
    r"(?:^|\s)(-diff|binary|diff=false|linguist-generated(?:=true)?|linguist-vendored(?:=true)?)(?=\s|$)"
)


class Hygiene:
    """Reports what hardly anybody means to merge."""

    def run(self, change: ChangeSet, files: Files) -> Report:
        """Findings about lines and names in the order of the change, then those about whole files."""
        found: list[RawFinding] = []
        for file in change.files:
            found += _file(file)
            if file.hunks:
                found += _conflicts(file, files)
                left = list(_leftovers(file))
                found += left
                found += _notes(file, {finding.line for finding in left if finding.rule == "hygiene/do-not-merge"})
                found += _hidden(file)
        for check in (about_files, about_dependencies, about_workflows):
            found += check(change, files)
        return Report(tuple(found))


def _ending(path: str) -> str:
    return posixpath.basename(path).rpartition(".")[2].lower()


def _file(file: FileChange) -> Iterator[RawFinding]:
    if file.status not in ("added", "renamed", "copied"):
        return
    name = posixpath.basename(file.path).lower()
    if _compiled(ENV_TEMPLATE).fullmatch(name):
        return
    for pattern, rule, severity, title, message in FILES:
        if _compiled(pattern).fullmatch(name):
            if rule == "hygiene/key-file" and in_tests(file.path):
                severity = Severity.INFO  # keys made for tests
            yield RawFinding(
                path=file.path, severity=severity, category="other", rule=rule, title=title, message=message
            )


def _conflicts(file: FileChange, files: Files) -> Iterator[RawFinding]:
    if _ending(file.path) in _PROSE | _QUOTES:
        return
    lines = [line for line in file.lines() if line.new is not None]
    if not any(line.kind == "+" and _is_marker(line.text) for line in lines):
        return
    whole = files.head(file.path)
    if whole is not None:
        lines = _marked_lines(whole, file)
    for start, end in _triads(lines):
        within = [line for line in lines if line.new is not None and start <= line.new <= end]
        added = [line.new for line in within if line.kind == "+" and line.new is not None and _is_marker(line.text)]
        if added:
            yield RawFinding(
                path=file.path,
                line=added[0],
                severity=Severity.BLOCKER,
                category="bug",
                rule="hygiene/conflict-marker",
                title="Merge conflict left unresolved",
                message=f"Lines {start} to {end} still hold the markers of a merge conflict and both of its sides. "
                "Decide which lines stay and remove `<<<<<<<`, `=======` and `>>>>>>>`.",
            )


def _is_marker(text: str) -> bool:
    return text[:7] in ("<<<<<<<", "=======", ">>>>>>>") and any(
        marker.fullmatch(text) is not None for marker in (_START, _MIDDLE, _END)
    )


def _marked_lines(whole: bytes, file: FileChange) -> list[Line]:
    """The marker lines of the file after the change, added ones marked as such."""
    added = file.added_lines()
    texts = enumerate(whole.split(b"\n"), 1)
    marks = ((number, decode_text(raw)) for number, raw in texts if raw[:7] in (b"<<<<<<<", b"=======", b">>>>>>>"))
    return [Line("+" if number in added else " ", text, None, number) for number, text in marks]


def _triads(lines: list[Line]) -> Iterator[tuple[int, int]]:
    """(first, last line) of every `<<<<<<<`, `=======`, `>>>>>>>` in this order."""
    start: int | None = None
    halved = False
    for line in lines:
        if line.new is None:
            continue
        if _START.fullmatch(line.text):
            start, halved = line.new, False
        elif _MIDDLE.fullmatch(line.text):
            halved = start is not None
        elif halved and start is not None and _END.fullmatch(line.text):
            yield start, line.new
            start, halved = None, False


def _leftovers(file: FileChange) -> Iterator[RawFinding]:
    ending = _ending(file.path)
    is_test = in_tests(file.path)
    rows = [row for row in LEFTOVERS if _applies(row, ending) and (is_test or not row.only_tests)]
    if not rows:
        return
    added = file.added_lines()
    matching = regex_set(tuple(row.pattern for row in rows)).matching("\n".join(added.values())) if added else ()
    rows = [row for number, row in enumerate(rows) if number in matching]
    for line, text in added.items() if rows else ():
        told: set[str] = set()
        for row in rows:
            if row.rule not in told and _compiled(row.pattern).search(text):
                told.add(row.rule)
                yield RawFinding(
                    path=file.path,
                    line=line,
                    severity=row.severity,
                    category=row.category,
                    rule=row.rule,
                    title=row.title,
                    message=row.message,
                )


# A note right behind the sign of a comment. With a name, a ticket or an address, somebody will come back to it.
_NOTE = re.compile(r"(?<![\"'`])(?:#|//|/\*|^\s*\*|--|<!--|\{#|^\s*;+|%)[ \t!*]*(?P<word>TODO|FIXME|XXX)\b(?P<rest>.*)")
_OWNED = re.compile(
    r"^[\s:]*[(\[{<]\s*@?[A-Za-z][\w.@/ -]{0,40}[)\]}>]|^\s+[a-z][\w.-]{1,30}:|@[A-Za-z]"
    r"|\b[A-Z][A-Z0-9]{1,9}-\d+\b|#\d+|https?://"
    r"|\b(?:issue|bug|ticket|pr|b)[ /:#]{1,2}\d+|\b20\d\d-\d\d",
    re.IGNORECASE,
)


def _notes(file: FileChange, told: set[int | None]) -> Iterator[RawFinding]:
    """One finding per file for its new notes but those on lines `told`. What was only moved or indented anew was there
    before."""
    if _ending(file.path) in _PROSE | _QUOTES or is_vendored(file.path):
        return
    added = [(number, found) for number, text in file.added_lines().items() if (found := _note(text))]
    added = [note for note in added if note[0] not in told]
    if not added:
        return
    gone = {found["rest"].strip() for line in file.lines() if line.kind == "-" and (found := _note(line.text))}
    new = [(number, found) for number, found in added if found["rest"].strip() not in gone]
    if not new:
        return
    number, found = new[0]
    more = f" The change adds {len(new) - 1} more to this file." if len(new) > 1 else ""
    yield RawFinding(
        path=file.path,
        line=number,
        severity=Severity.INFO,
        category="maintainability",
        rule="hygiene/note-without-owner",
        title=f"{found['word']} that names nobody",
        message="Notes without a name or ticket are seldom looked at again. Say who will come back to it or where it "
        f"is tracked (`{found['word']}(name)`, `{found['word']} #123`), or do it now.{more}",
    )


def _note(text: str) -> re.Match[str] | None:
    if "TODO" not in text and "FIXME" not in text and "XXX" not in text:
        return None
    found = _NOTE.search(text)
    return None if found is None or _OWNED.search(found["rest"]) else found


def _applies(row: Leftover, ending: str) -> bool:
    return ending in row.endings if row.endings else ending not in _PROSE | _QUOTES


@cache
def _compiled(pattern: str) -> regex.Pattern:
    return regex.compile(pattern)


@cache
def regex_set(patterns: tuple[str, ...]) -> regex.PatternSet:
    """The patterns as one, with `^` and `$` at every line: which of them match any line at all."""
    return regex.PatternSet(f"(?m){pattern}" for pattern in patterns)


def _hidden(file: FileChange) -> Iterator[RawFinding]:
    if posixpath.basename(file.path) != ".gitattributes":
        return
    for number, text in file.added_lines().items():
        pattern, _, attributes = text.strip().partition(" ")
        pattern, _, more = pattern.partition("\t")
        found = _HIDING.search(f"{more} {attributes}")
        if found is None or pattern.startswith("#") or _BINARY_KIND.search(pattern):
            continue
        yield RawFinding(
            path=file.path,
            line=number,
            severity=Severity.INFO if found[1].startswith("linguist") else Severity.WARNING,
            category="security",
            rule="hygiene/hidden-diff",
            title="Hides changes from reviewers",
            message=f"With `{found[1]}`, the changes of all files that this pattern matches are no longer shown in "
            "diffs. Loom reviews them all the same, people do not see them. Keep it to files that are generated or "
            "binary, and say which.",
        )
