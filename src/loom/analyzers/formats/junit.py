"""JUnit's XML in: failed tests, and what linters print as such.

There is no standard, only https://github.com/testmoapp/junitxml and each tool's habit: where a failure names no file
and line, they are looked for in its text (`path:line`, Python and Java traces) and in the names of its class and suite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from loom.analyzers.formats import text, xml
from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.analyzers.formats.junit_places import Places
from loom.analyzers.formats.values import line_number
from loom.core.finding import RawFinding

_HINT = (
    "`parse_output: junit` reads standard output only; print the report there (`… >&2; cat report.xml`, with a shell)."
)
_FAILED = ("failure", "error")
_DEPTH = 20  # suites inside suites
_LEVELS = frozenset(("error", "warning", "info", "note", "low", "medium", "high", "critical"))
_LISTED = 100_000  # characters
_BODY = 2_000
"""Characters of a failure's text that are kept, from its end: the last frames say what went wrong."""

# A linter's "test" is called by its rule: org.ruff.F401, org.eslint.no-undef, org.stylelint.…
_LINT_NAME = re.compile(r"org\.(?P<tool>[a-z0-9_-]{2,20})\.(?P<rule>.{1,150})")
# "line 3, col 19, Error - 'undef' is not defined. (no-undef)"
_LINT_TEXT = re.compile(
    r"line (?P<line>\d{1,9}), col(?:umn)? (?P<column>\d{1,9}), (?:(?P<level>[A-Za-z]{4,7}) - )?(?P<message>.*)",
    re.DOTALL,
)


def parse(data: bytes, reading: Reading) -> Parsed:
    """A finding for every failure and error that belongs to a file; the others are problems."""
    tree = xml.root(data, names=("testsuites", "testsuite"), what="JUnit XML", hint=_HINT)
    places = Places(reading)
    findings: list[RawFinding] = []
    problems: list[str] = []
    cases = list(_cases(tree, _Case(), 0))
    missing = _missing(tree, 0)
    if missing and not cases:
        raise malformed(missing[0], hint="the report was cut short, or is of another dialect")
    for case in cases:
        if listed := _listed(case, reading):
            findings += listed
            continue
        finding = _linted(case, places) or _tested(case, places)
        if finding is None:
            problems.append(title_of(f"{case.called}: {case.said}"))
        else:
            findings.append(finding)
    problems += missing
    return Parsed(tuple(findings), problems=tuple(problems), gaps=tuple(problems))


def _missing(element: xml.Element, depth: int) -> list[str]:
    """The suites that count failures of which none is there, the innermost only."""
    suites = [child for child in element.children if child.name == "testsuite"]
    inside = [told for suite in suites for told in _missing(suite, depth + 1)] if depth <= _DEPTH else []
    counted = sum(line_number(element.get(name)) or 0 for name in ("failures", "errors"))
    if inside or not counted or any(_cases(element, _Case(), depth)):
        return inside
    return [f"{element.get('name') or 'the report'} counts {counted} failed tests, and none of them is there"]


@dataclass(frozen=True, slots=True)
class _Case:
    """One failure, and what the elements around it say."""

    element: xml.Element = field(default_factory=lambda: xml.Element("", {}))
    case: xml.Element | None = None
    suites: tuple[xml.Element, ...] = ()

    @property
    def name(self) -> str:
        return self.case.get("name") if self.case else ""

    @property
    def called(self) -> str:
        """The test as people would name it."""
        group = self.case.get("classname", "class") if self.case else ""
        parts = dict.fromkeys(part for part in (group, self.name) if part)
        return ".".join(parts) or next(self.suite_names, "a test")

    @property
    def suite_names(self) -> Iterator[str]:
        return (name for suite in reversed(self.suites) if (name := suite.get("name")))

    @property
    def said(self) -> str:
        """The failure in a few words."""
        return self.element.get("message") or self.element.text or self.element.get("type") or "failed"

    @property
    def told(self) -> Iterator[tuple[str, int | None, int | None]]:
        """(path, line, column) of attributes, the nearest element first."""
        for element in (self.element, self.case, *reversed(self.suites)):
            if element is not None and (file := element.get("file", "filepath", "filename", "path")):
                yield file, line_number(element.get("line", "lineno")), line_number(element.get("column", "col"))

    @property
    def level(self) -> str:
        """A linter's own word: a property (ruff's) or the failure's type (semgrep's); else failure or error."""
        kind = self.element.get("type").lower()
        for group in self.case.all("properties") if self.case else ():
            for prop in group.all("property"):
                if prop.get("name") == "severity" and prop.get("value"):
                    return prop.get("value")
        return kind if kind in _LEVELS else self.element.name

    @property
    def line(self) -> int | None:
        """A line that stands beside no file."""
        return next((n for e in (self.element, self.case) if e and (n := line_number(e.get("line", "lineno")))), None)


def _cases(element: xml.Element, around: _Case, depth: int) -> Iterator[_Case]:
    """Every failure below an element, in order. What passed when tried again (`flakyFailure`) is none."""
    if depth > _DEPTH:
        return
    here = around
    if element.name == "testcase":
        here = _Case(case=element, suites=around.suites)
    elif element.name == "testsuite":
        here = _Case(case=around.case, suites=(*around.suites, element))
    for child in element.children:
        if child.name in _FAILED:
            yield _Case(child, here.case, here.suites)
        elif child.name in ("testsuite", "testcase"):
            yield from _cases(child, here, depth + 1)


def _listed(case: _Case, reading: Reading) -> tuple[RawFinding, ...]:
    """A failure whose text is nothing but a linter's lines `path:line: error: …` (mypy's)."""
    lines = [line for line in case.element.text[:_LISTED].splitlines() if line.strip()]
    found = text.parse("\n".join(lines).encode("utf-8", "surrogatepass"), reading).findings
    return found if len(found) == len(lines) and all(finding.severity for finding in found) else ()


def _linted(case: _Case, places: Places) -> RawFinding | None:
    """A linter's result; None for a test, or where no file is known."""
    named = _LINT_NAME.fullmatch(case.name)
    said = _LINT_TEXT.fullmatch(case.element.text)
    group = case.case.get("classname") if case.case else ""
    by_file = "/" in group and group in (file for file, _, _ in case.told)  # semgrep's
    if named is None and said is None and not by_file:
        return None
    path = places.named([*(file for file, _, _ in case.told), *case.suite_names])
    if not path:
        return None
    rule = named["rule"] if named else (case.name or None)
    line = case.line or (line_number(said["line"]) if said else None)
    column = line_number(case.case.get("column", "col")) if case.case else None
    message = case.element.get("message") or (said["message"].strip() if said else "") or case.said
    return RawFinding(
        path=path,
        message=message,
        title=title_of(message),
        line=line,
        end_line=line,
        column=(column or (line_number(said["column"]) if said else None)) if line else None,
        severity=places.reading.severity((said and said["level"]) or case.level, rule),
        rule=rule,
    )


def _tested(case: _Case, places: Places) -> RawFinding | None:
    """A failed test; None where no file is known."""
    groups = [case.case.get("classname", "class")] if case.case else []
    place = places.of(tuple(case.told), f"{case.element.get('message')}\n{case.element.text}", groups, case.suite_names)
    if place is None:
        return None
    line = place.line or case.line
    return RawFinding(
        path=place.path,
        message=_message(case),
        title=title_of(f"{_plainly(case)}: {case.said}"),
        line=line,
        end_line=line,
        column=place.column if line else None,
        severity=places.reading.severity(case.element.name, None),
        category="tests",
    )


def _plainly(case: _Case) -> str:
    verb = "failed" if case.element.name == "failure" else "broke"
    return f"Test {case.name or case.called} {verb}"


def _message(case: _Case) -> str:
    """What failed, why, and the end of the trace."""
    said, body = case.element.get("message"), case.element.text
    if len(body) > _BODY:
        body = "…\n" + body[-_BODY:].partition("\n")[2]
    told = said or title_of(body) or case.said
    return f"{case.called}: {told}" + (f"\n\n{body}" if body and body != told else "")
