"""SARIF 2.1.0 in: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html (section numbers below)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.analyzers.formats.edits import Edit, characters, with_suggestion
from loom.analyzers.formats.values import first, items, line_number, mapping, text, whole
from loom.core.diff import decode_text
from loom.core.finding import Category, RawFinding

Json = Mapping[str, object]

_HINT = "`parse_output: sarif` reads SARIF 2.1.0 from standard output; check the tool's format option."
_NO_FINDING = frozenset(("pass", "notApplicable"))  # §3.27.9 kind
_ACCEPTED = frozenset(("", "accepted"))  # §3.35.3: a suppression without status is accepted
_LINK = re.compile(r"\[((?:[^\]\\]|\\.)*)\]\([^)]*\)")  # §3.11.6 embedded links
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_MAX_BASES = 10  # uriBaseIds may refer to each other, in a circle too


def parse(data: bytes, reading: Reading) -> Parsed:
    """All runs of a log. Suppressed and absent results are left out, code flows are not read."""
    log = _log(data)
    findings: list[RawFinding] = []
    unread: list[str] = []
    problems: list[str] = []
    suppressed = 0
    for value in items(log.get("runs")):
        run = _Run(mapping(value), reading)
        for result in run.results():
            if _is_suppressed(result):
                suppressed += 1
            elif finding := run.finding(result):
                findings.append(finding)
            else:
                problems.append(f"a result without a place: {title_of(run.message(result)) or '(no message)'}")
        for place, message in run.failures():
            problems.append(message)
            unread += [place] if place else []
    return Parsed(tuple(findings), tuple(dict.fromkeys(unread)), tuple(problems), suppressed)


def _is_suppressed(result: Json) -> bool:
    return any(text(mapping(one).get("status")) in _ACCEPTED for one in items(result.get("suppressions")))


def _log(data: bytes) -> Json:
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise malformed(f"the output is not SARIF: {error}", hint=_HINT) from error
    if not isinstance(value, dict) or not isinstance(value.get("runs"), list):
        raise malformed('the output is not SARIF: it has no "runs" array', hint=_HINT)
    version = text(value.get("version"))
    if version and not version.startswith("2."):
        raise malformed(f"the output is SARIF {version[:20]}, which is not read", hint=_HINT)
    return value


@dataclass(slots=True)
class _Run:
    """One run: its rules, its files and its base URIs give meaning to its results."""

    run: Json
    reading: Reading

    def results(self) -> Iterator[Json]:
        """The results that report something now, silenced ones included."""
        for result in map(mapping, items(self.run.get("results"))):
            if result.get("kind") not in _NO_FINDING and result.get("baselineState") != "absent":
                yield result

    def finding(self, result: Json) -> RawFinding | None:
        """A result as a finding; None when it names no file."""
        physical = _physical(result)
        path = self.path(mapping(physical.get("artifactLocation")))
        if not path:
            return None
        rule = self.rule(result)
        rule_id = (
            text(first(result, ("ruleId",))) or text(mapping(result.get("rule")).get("id")) or text(rule.get("id"))
        )
        message = self.message(result)
        region = mapping(physical.get("region"))
        line, end_line = _lines(region)
        found = RawFinding(
            path=path,
            message=message or rule_id or "(no message)",
            title=title_of(message) or rule_id,
            line=line,
            end_line=end_line,
            column=line_number(region.get("startColumn")),
            severity=self.reading.severity(_level(result, rule), rule_id or None),
            category=_category(rule),
            rule=rule_id or None,
            rule_url=_web(text(rule.get("helpUri"))),
        )
        return with_suggestion(found, self._edits(result, path), self.reading)

    def rule(self, result: Json) -> Json:
        """The rule's metadata (§3.52.3: by index, else by id; in the driver or in an extension)."""
        tool = mapping(self.run.get("tool"))
        reference = mapping(result.get("rule"))
        component = mapping(reference.get("toolComponent"))
        extensions = items(tool.get("extensions"))
        place = whole(component.get("index"))
        homes = [mapping(tool.get("driver")), *map(mapping, extensions)]
        if place is not None and 0 <= place < len(extensions):
            homes = [mapping(extensions[place])]
        index = whole(first(result, ("ruleIndex",)))
        index = whole(reference.get("index")) if index is None else index
        rule_id = text(result.get("ruleId")) or text(reference.get("id"))
        rules = items(homes[0].get("rules"))
        if index is not None and 0 <= index < len(rules):
            named = mapping(rules[index])
            if not rule_id or _same_rule(text(named.get("id")), rule_id):
                return named
        every = (mapping(rule) for home in homes for rule in items(home.get("rules")))
        return next((rule for rule in every if _same_rule(text(rule.get("id")), rule_id)), {})

    def message(self, result: Json) -> str:
        """The message as plain text: its own, or the rule's with the arguments put in (§3.11.7)."""
        message = mapping(result.get("message"))
        plain = text(message.get("text"))
        if not plain:
            strings = mapping(self.rule(result).get("messageStrings"))
            plain = text(mapping(strings.get(text(message.get("id")))).get("text")) or text(message.get("markdown"))
        arguments = [text(value) for value in items(message.get("arguments"))]
        if arguments:
            plain = _PLACEHOLDER.sub(lambda m: arguments[int(m[1])] if int(m[1]) < len(arguments) else m[0], plain)
        return _LINK.sub(r"\1", plain).strip()

    def path(self, location: Json) -> str:
        """The path of an artifactLocation (§3.4): through the run's artifacts and base URIs."""
        index = whole(location.get("index"))
        artifacts = items(self.run.get("artifacts"))
        if not text(location.get("uri")) and index is not None and 0 <= index < len(artifacts):
            location = mapping(mapping(artifacts[index]).get("location"))
        uri = text(location.get("uri"))
        if not uri:
            return ""
        base = self._base(text(location.get("uriBaseId")))
        if not base:
            return self.reading.path(uri if uri in self.reading.known or ":" in uri[:10] else f"file:{uri}")
        return self.reading.path(urljoin(base, uri))

    def _base(self, name: str) -> str:
        """The absolute URI that a base id stands for; empty when it is the checkout by convention (`%SRCROOT%`)."""
        bases = mapping(self.run.get("originalUriBaseIds"))
        parts: list[str] = []
        for _ in range(_MAX_BASES):
            base = mapping(bases.get(name))
            if not name or not base:
                break
            parts.append(text(base.get("uri")))
            name = text(base.get("uriBaseId"))
        joined = ""
        for part in reversed(parts):
            joined = urljoin(joined, part if part.endswith("/") else part + "/") if part else joined
        return joined if joined.startswith("file:") else ""

    def failures(self) -> Iterator[tuple[str, str]]:
        """(path or nothing, message) of what the tool could not do (§3.20.21, §3.58)."""
        for value in items(self.run.get("invocations")):
            for key in ("toolExecutionNotifications", "toolConfigurationNotifications"):
                for note in map(mapping, items(mapping(value).get(key))):
                    if note.get("level") == "error":
                        place = self.path(mapping(_physical(note).get("artifactLocation")))
                        yield place, text(mapping(note.get("message")).get("text"))

    def _edits(self, result: Json, path: str) -> list[Edit]:
        """The first proposed fix (§3.55), if it changes this file only."""
        fix = mapping(next(iter(items(result.get("fixes"))), None))
        changes = [mapping(change) for change in items(fix.get("artifactChanges"))]
        if len(changes) != 1 or self.path(mapping(changes[0].get("artifactLocation"))) != path:
            return []
        data = self.reading.head(path)
        lines = decode_text(data).split("\n") if data is not None else []
        in_utf16 = self.run.get("columnKind") != "unicodeCodePoints"  # §3.14.17: UTF-16 is the default
        replacements = map(mapping, items(changes[0].get("replacements")))
        return [edit for replacement in replacements if (edit := _edit(replacement, lines, in_utf16))]


def _physical(located: Json) -> Json:
    """The first place of a result or notification."""
    return mapping(mapping(next(iter(items(located.get("locations"))), None)).get("physicalLocation"))


def _edit(replacement: Json, lines: list[str], in_utf16: bool) -> Edit | None:
    region = mapping(replacement.get("deletedRegion"))
    start, end = line_number(region.get("startLine")), line_number(region.get("endLine"))
    if start is None:
        return None
    end = start if end is None else end
    columns = []
    for line, name, default in ((start, "startColumn", 1), (end, "endColumn", None)):
        content = lines[line - 1] if line <= len(lines) else ""
        column = line_number(region.get(name)) or default or len(content) + 1  # §3.30.8: the end of the line
        columns.append(characters(content, column) if in_utf16 else column)
    return Edit(start, columns[0], end, columns[1], text(mapping(replacement.get("insertedContent")).get("text")))


def _lines(region: Json) -> tuple[int | None, int | None]:
    """First and last line. A region that ends before the first character of a line does not touch that line."""
    start = line_number(region.get("startLine"))
    end = line_number(region.get("endLine"))
    if start is None or end is None or end <= start:
        return start, start
    return start, end - 1 if region.get("endColumn") == 1 else end


def _level(result: Json, rule: Json) -> str:
    """§3.27.10: the result's, else the rule's default, else warning; a result that is no failure has no level."""
    if text(result.get("kind")) not in ("", "fail"):
        return "none"
    default = text(mapping(rule.get("defaultConfiguration")).get("level"))
    return text(result.get("level")) or default or "warning"


def _same_rule(known: str, wanted: str) -> bool:
    """§3.52.4: `CA1000/1` is a part of rule `CA1000`."""
    return bool(known) and (wanted == known or wanted.startswith(known + "/"))


def _category(rule: Json) -> Category:
    properties = mapping(rule.get("properties"))
    tags = [text(tag).lower() for tag in items(properties.get("tags"))]
    return "security" if "security" in tags or "security-severity" in properties else "other"


def _web(url: str) -> str | None:
    return url if url.startswith(("https://", "http://")) else None
