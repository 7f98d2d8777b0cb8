"""Checkstyle's XML, which many linters print: `<checkstyle><file name=…><error line=… severity=… source=…/>`.

https://checkstyle.org/config.html#XMLLogger; also eslint, shellcheck, hadolint, phpcs, ktlint, detekt, swiftlint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from loom.analyzers.formats import xml
from loom.analyzers.formats.base import Parsed, Reading, title_of
from loom.analyzers.formats.values import line_number
from loom.core.finding import RawFinding

_HINT = "`parse_output: checkstyle` reads standard output only; check the tool's format option."
_OWN_PREFIXES = ("eslint.rules.", "stylelint.rules.", "swiftlint.rules.", "ShellCheck.", "detekt.", "oxlint.")
"""What tools put before their rule's own name in `source`."""
_SILENT = frozenset(("ignore", "off"))  # Checkstyle's severity "ignore" reports nothing


def parse(data: bytes, reading: Reading) -> Parsed:
    """A finding for every `<error>`, in order. Files that the tool could not read are unread."""
    tree = xml.root(data, names=("checkstyle",), what="checkstyle XML", hint=_HINT)
    walk = _Walk(reading)
    for element in _files(tree):
        walk.file(element)
    for error in tree.all("error", "exception"):
        walk.problems.append(title_of(_message(error)) or "(no message)")
    return Parsed(tuple(walk.findings), tuple(dict.fromkeys(walk.unread)), tuple(walk.problems))


def _files(element: xml.Element) -> Iterator[xml.Element]:
    for child in element.children:
        if child.name == "file":
            yield child
        else:
            yield from _files(child)


@dataclass(slots=True)
class _Walk:
    reading: Reading
    findings: list[RawFinding] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def file(self, element: xml.Element) -> None:
        """What one `<file>` says."""
        told = element.get("name")
        path = self.reading.path(told)
        for failure in element.all("exception"):
            self.problems.append(f"{told}: {title_of(failure.text) or 'it could not be read'}")
            self.unread += [path] if path else []
        for error in element.all("error"):
            if error.get("severity").lower() in _SILENT:
                continue
            if path:
                self.findings.append(_finding(error, path, self.reading))
            else:
                self.problems.append(title_of(_message(error)) or "(no message)")


def _finding(error: xml.Element, path: str, reading: Reading) -> RawFinding:
    rule = _rule(error.get("source"))
    message = _message(error)
    if rule:
        message = message.removesuffix(f"({rule})").rstrip()  # eslint's says it twice
    line = line_number(error.get("line"))
    return RawFinding(
        path=path,
        message=message or rule or "(no message)",
        title=title_of(message) or rule or "",
        line=line,
        end_line=line,
        column=line_number(error.get("column")) if line else None,
        severity=reading.severity(error.get("severity"), rule),
        rule=rule,
    )


def _message(error: xml.Element) -> str:
    return error.get("message") or error.text


def _rule(source: str) -> str | None:
    """The rule's own name: `eslint.rules.semi` is `semi`, a Java check is called by its class, the rest stays."""
    for prefix in _OWN_PREFIXES:
        if source.startswith(prefix) and len(source) > len(prefix):
            return source[len(prefix) :]
    package, _, name = source.rpartition(".")
    if name.endswith("Check") and package and package == package.lower() and len(name) > len("Check"):
        return name.removesuffix("Check")
    return source or None
