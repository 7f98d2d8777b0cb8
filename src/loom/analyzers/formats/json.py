"""JSON as linters print it, without a schema: objects that have a message and a place, wherever they stand.

Read from real output of ruff, bandit, eslint, pylint, pyright, mypy, semgrep, shellcheck, hadolint, stylelint,
rubocop, brakeman, golangci-lint, phpstan, biome, oxlint, tflint, gitleaks, sqlfluff, actionlint, cargo, checkov, and
(go_vet.py) go vet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from loom.analyzers.formats import go_vet
from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.analyzers.formats.edits import Edit, edit_at, with_suggestion
from loom.analyzers.formats.values import first, items, line_number, mapping, text, whole
from loom.core.diff import decode_text
from loom.core.finding import RawFinding

Json = Mapping[str, object]

# Key names in order of preference. "Text", "Pos", "FromLinter" … are golangci-lint's and gitleaks' capitals.
# checkov's "file_path" is relative to the folder of the file itself.
_PATH = (
    "file_abs_path", "path", "file", "filename", "filePath", "filepath", "file_path", "file_name", "Filename", "File",
    "source", "uri",
)  # fmt: skip
_MESSAGE = (
    "message", "Message", "issue_text", "text", "Text", "description", "Description", "msg", "reason", "check_name",
)  # fmt: skip
_LINE = (
    "line", "Line", "line_number", "lineNumber", "row", "start_line", "startLine", "StartLine", "line_start",
    "start_line_no", "begin_line", "line_num", "beginLine",
)  # fmt: skip
_END_LINE = ("endLine", "end_line", "EndLine", "line_end", "end_line_no", "endLineNumber", "last_line")
_COLUMN = (
    "column", "Column", "col", "start_column", "startColumn", "StartColumn", "column_start", "start_line_pos",
    "columnNumber", "character", "begin_column",
)  # fmt: skip
_LEVEL = ("severity", "Severity", "issue_severity", "level", "type", "impact", "confidence")
_RULE = (
    "ruleId", "rule", "check_id", "test_id", "rule_id", "RuleID", "code", "cop_name", "symbol", "message-id",
    "identifier", "FromLinter", "Check", "kind", "category", "warning_type", "rule_name",
)  # fmt: skip
_RULE_LENGTH = 150  # longer ones are code or prose under a name that others use for a rule (bandit's "code")
_URL = ("url", "more_info", "link", "helpUri", "documentation", "documentation_url", "guideline", "docs", "wikiLink")
_PLACES = (
    "location", "start", "begin", "range", "position", "Pos", "span", "Location", "primary", "loc",
)  # fmt: skip
_ENDS = ("end_location", "end", "Till")
_DETAILS = ("extra", "message")  # semgrep, cargo: the rest of the finding stands one level down
_LISTS = (
    "results", "issues", "Issues", "diagnostics", "generalDiagnostics", "findings", "messages", "violations",
    "offenses", "warnings", "problems", "comments", "files", "failed_checks", "alerts", "defects", "vulnerabilities",
    "annotations",
)  # fmt: skip
_FAILED = ("errors", "parse_errors", "parsing_errors")
_CLEAN = ("errors", "summary", "metrics", "passed_checks", "passed")
_CARGO_SAYS = ("compiler-artifact", "build-script-executed", "build-finished")  # messages of a build that went well
_HINT = "`parse_output: json` reads standard output only; check the tool's format option, or use `text` or `regex`."


def parse(data: bytes, reading: Reading) -> Parsed:
    """All findings in order. One JSON value, or one per line; no output at all is no finding."""
    values = [flat for value in _values(data) for flat in go_vet.diagnostics(value) or (value,)]
    walk = _Walk(reading)
    for value in values:
        walk.visit(value, path="")
    if not walk.findings and not walk.unread and not walk.problems and not all(map(_says_nothing, values)):
        keys = ", ".join(sorted(mapping(values[0]))[:8])
        raise malformed(f"no findings can be recognised in the JSON output (keys: {keys or 'none'})", hint=_HINT)
    return Parsed(tuple(walk.findings), tuple(dict.fromkeys(walk.unread)), tuple(walk.problems))


def _values(data: bytes) -> list[object]:
    content = data.decode("utf-8-sig", "backslashreplace").strip()
    if not content:
        return []
    try:
        return [json.loads(content)]
    except RecursionError as error:
        raise malformed("the JSON output is nested too deeply", hint=_HINT) from error
    except ValueError as error:
        lines = [line for line in content.splitlines() if line.strip()]
        if len(lines) >= 2 and all(line.lstrip().startswith("{") for line in lines) and len(lines[0]) > 1:
            return _lines_of_json(lines)
        if (told := _of_go(content)) is not None:
            return told
        raise malformed(f"the output is not JSON: {error}", hint=_HINT) from error


def _of_go(content: str) -> list[object] | None:
    """Objects between lines of Go's tools; None where the text is none of theirs."""
    try:
        return go_vet.documents(content)
    except (ValueError, RecursionError):
        return None


def _lines_of_json(lines: list[str]) -> list[object]:
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise malformed(f"line {number} of the output is not JSON: {error}", hint=_HINT) from error
    return values


def _says_nothing(value: object) -> bool:
    """Whether an output without findings is one that really says so: empty, or with its lists empty."""
    if isinstance(value, dict):
        if value.get("reason") in _CARGO_SAYS:
            return True
        if value.get("fatal") is False and value.get("ruleId", 0) is None and "line" not in value:
            return True  # ESLint on a file that the repository's configuration leaves out
        lists = [key for key in value if key in _LISTS]
        known = [key for key in value if key in _CLEAN or key in _FAILED]
        clean = all(_is_clean(key, value[key]) for key in lists)
        return clean if lists else bool(known) or all(not item for item in value.values())
    return not value or (
        isinstance(value, list) and all(isinstance(item, dict | list) and _says_nothing(item) for item in value)
    )


def _is_clean(key: str, listed: object) -> bool:
    """Whether a list of findings, or of files with theirs, is one without any."""
    if key == "files" and isinstance(listed, list) and all(isinstance(item, str) for item in listed):
        return True  # the names of those that were looked at
    if isinstance(listed, dict) and not any(name in listed for name in (*_LISTS, *_CLEAN, *_FAILED)):
        return all(_says_nothing(inner) for inner in listed.values())  # by path
    return not isinstance(listed, list | dict) or _says_nothing(listed)


@dataclass(slots=True)
class _Walk:
    """Findings met on the way down, with the path that an outer object gave (eslint, rubocop, phpstan)."""

    reading: Reading
    findings: list[RawFinding] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def visit(self, value: object, *, path: str) -> None:
        """Take what is a finding; go into what holds findings. JSON nests at most as deep as its parser allows."""
        for item in items(value):
            self.visit(item, path=path)
        if not isinstance(value, dict):
            return
        path = _path(value) or path
        if path and _is_finding(value):
            self.findings.append(self._finding(value, path))
            return
        lists = [key for key in _LISTS if isinstance(value.get(key), list | dict)]
        for key in lists:
            self.visit(value[key], path=path)
        if lists:
            self._failures(value)
        elif isinstance(value.get("message"), dict):  # cargo: {"reason": "compiler-message", "message": {…}}
            self.visit(value["message"], path=path)
        else:
            self._by_path(value)

    def _by_path(self, value: Json) -> None:
        """Objects whose keys are paths (phpstan's `files`, vale)."""
        for key, inner in value.items():
            if isinstance(inner, list | dict) and ("." in key or "/" in key or key in self.reading.known):
                self.visit(inner, path=key)

    def _failures(self, value: Json) -> None:
        """Files that the tool says it could not read, beside its list of findings (bandit, semgrep, checkov)."""
        for key in _FAILED:
            for error in map(mapping, items(value.get(key))):
                path, message = _path(error), _message(error)
                if path:
                    self.unread.append(self.reading.path(path))
                if path or message:
                    self.problems.append(title_of(f"{path}: {message}" if path else message))

    def _finding(self, value: Json, path: str) -> RawFinding:
        line, end_line, column = _place(value)
        message, rule = _message(value), _rule(value)
        found = RawFinding(
            path=self.reading.path(path),
            message=message,
            title=title_of(message),
            line=line,
            end_line=end_line,
            column=column,
            severity=self.reading.severity(_level(value), rule),
            rule=rule,
            rule_url=_url(value),
        )
        return with_suggestion(found, _edits(value, found.path, self.reading), self.reading)


def _is_finding(value: Json) -> bool:
    """A message, and either a line or a rule; an object that lists findings is not one itself."""
    if not _message(value) or any(isinstance(value.get(key), list | dict) and value[key] for key in _LISTS):
        return False
    return _place(value)[0] is not None or _rule(value) is not None


def _outer(value: Json) -> Iterator[Json]:
    """The object, and those one level down that describe it further."""
    yield value
    for key in _DETAILS:
        if isinstance(value.get(key), dict):
            yield mapping(value[key])


def _said(value: Json, names: tuple[str, ...]) -> str:
    for layer in _outer(value):
        for name in names:
            if found := text(layer.get(name)).strip():
                return found
    return ""


def _message(value: Json) -> str:
    return _said(value, _MESSAGE)


def _path(value: Json) -> str:
    """A path from the object itself, its location (`location.path`, biome's `location.path.file`), or its main span."""
    for layer in (value, *_places(value)):
        for name in _PATH:
            if found := text(layer.get(name)) or text(mapping(layer.get(name)).get("file")):
                return found
    return ""


def _places(value: Json) -> Iterator[Json]:
    """Objects in which the place may stand, the most telling first."""
    for name in _PLACES:
        inner = mapping(value.get(name))
        if inner:
            yield inner
            yield from (
                mapping(inner[key]) for key in ("start", "begin", "range", "span") if isinstance(inner.get(key), dict)
            )
    spans = [mapping(span) for span in items(value.get("spans"))]
    yield from sorted(spans, key=lambda span: span.get("is_primary") is not True)[:1]
    yield from (mapping(mapping(label).get("span")) for label in items(value.get("labels"))[:1])


def _place(value: Json) -> tuple[int | None, int | None, int | None]:
    """(line, end line, column), 1-based."""
    for name in ("file_line_range", "line_range"):  # checkov, bandit
        pair = [line_number(item) for item in items(value.get(name))]
        if pair and pair[0] is not None and line_number(first(value, _LINE)) is None:
            return pair[0], pair[-1], None
    for layer in (value, *_places(value)):
        # The Language Server Protocol counts from 0 and says "character" where others say "column" (pyright).
        shift = 1 if "character" in layer else 0
        line = whole(first(layer, _LINE))
        if line is None or line + shift < 1:
            continue
        line += shift
        column = whole(first(layer, _COLUMN))
        column = column + shift if column is not None and column + shift >= 1 else None
        return line, _end_line(value, layer, line, shift), column
    return None, None, None


def _end_line(value: Json, layer: Json, line: int, shift: int) -> int:
    """The last line, from the same object or one beside it; `line` when none is told."""
    ends = [layer, *(mapping(value.get(name)) for name in _ENDS)]
    ends += [mapping(mapping(value.get(name)).get("end")) for name in _PLACES]
    told = [whole(first(ends[0], _END_LINE)), *(whole(first(end, _LINE)) for end in ends[1:])]
    end = next((number + shift for number in told if number is not None), line)
    return max(end, line)


def _level(value: Json) -> str:
    """The tool's level word. ESLint's is a number: 1 is a warning, 2 an error."""
    for layer in _outer(value):
        for name in _LEVEL:
            found = layer.get(name)
            if isinstance(found, int) and not isinstance(found, bool):
                return {1: "warning", 2: "error"}.get(found, "")
            if isinstance(found, str) and found.strip() and not (name == "type" and " " in found):
                return found.strip()
    nested = mapping(value.get("rule"))  # tflint: {"rule": {"name": …, "severity": …, "link": …}}
    return text(nested.get("severity"))


def _rule(value: Json) -> str | None:
    for layer in _outer(value):
        for name in _RULE:
            found = layer.get(name)
            inner = mapping(found)
            told = text(found) or text(first(inner, ("value", "code", "id", "name", "rule")))
            if told.strip() and len(told) <= _RULE_LENGTH and "\n" not in told.strip():
                return told.strip()
    return None


def _url(value: Json) -> str | None:
    layers = [*_outer(value), mapping(value.get("rule")), mapping(value.get("code"))]
    layers.append(mapping(mapping(value.get("extra")).get("metadata")))
    told = (text(layer.get(name)) for layer in layers for name in (*_URL, "target", "source"))
    return next((url for url in told if url.startswith(("https://", "http://"))), None)


def _edits(value: Json, path: str, reading: Reading) -> list[Edit]:
    """The fix: ruff's edits by row and column (safe ones only), or ESLint's by UTF-16 offsets."""
    fix = mapping(value.get("fix"))
    if fix.get("applicability") not in (None, "safe"):
        return []
    edits = []
    for edit in map(mapping, items(fix.get("edits"))):
        start, end = mapping(edit.get("location")), mapping(edit.get("end_location"))
        numbers = [line_number(place.get(key)) for place in (start, end) for key in ("row", "column")]
        if None in numbers:
            return []
        a, b, c, d = (number or 1 for number in numbers)
        edits.append(Edit(a, b, c, d, text(edit.get("content"))))
    offsets = [whole(number) for number in items(fix.get("range"))]
    if len(offsets) == 2 and None not in offsets and (data := reading.head(path)) is not None:
        source = decode_text(data)
        start_at, end_at = (_characters(source, number or 0) for number in offsets)
        edits.append(edit_at(source, start_at, end_at, text(fix.get("text"))))
    return edits


def _characters(source: str, units: int) -> int:
    """An offset in UTF-16 code units as one in characters."""
    if source.isascii():
        return units
    return len(source.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore"))
