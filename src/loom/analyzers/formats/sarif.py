"""SARIF 2.1.0 in: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html (section numbers below)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.analyzers.formats.edits import Edit, characters, with_suggestion
from loom.analyzers.formats.values import items, line_number, mapping, text, web, whole
from loom.core.errors import ScriptError
from loom.core.finding import Category, RawFinding

Json = Mapping[str, object]

_HINT = "`parse_output: sarif` reads SARIF 2.1.0 from standard output; check the tool's format option."
_NO_FINDING = frozenset(("pass", "notApplicable"))  # §3.27.9 kind
_NOT_YET = frozenset(("underReview", "rejected"))  # §3.35.3; a suppression without a status counts as accepted
_NOTIFICATIONS = ("toolExecutionNotifications", "toolConfigurationNotifications")
_LINK = re.compile(r"\[((?:[^\]\\]|\\.)*)\]\([^)]*\)")  # §3.11.6 embedded links
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_MAX_BASES = 10  # uriBaseIds may refer to each other, in a circle too


def parse(data: bytes, reading: Reading) -> Parsed:
    """All runs of a log. Suppressed and absent results are left out, code flows are not read."""
    log = _log(data)
    findings: list[RawFinding] = []
    unread: list[str] = []
    problems: list[str] = []
    gaps: list[str] = []
    suppressed = 0
    for run in (_Run(mapping(value), reading) for value in items(log.get("runs"))):
        for result in run.results():
            if _is_suppressed(result):
                suppressed += 1
            elif finding := run.finding(result):
                findings.append(finding)
            else:
                gaps.append(f"a result without a place: {_heard(run.said(result))}")
        gaps += run.gaps()
        for place, message in run.failures():
            problems.append(message)
            unread += [place] if place else []
    return Parsed(
        tuple(findings),
        tuple(dict.fromkeys(unread)),
        problems=(*gaps, *problems),
        gaps=tuple(gaps),
        suppressed=suppressed,
    )


def _is_suppressed(result: Json) -> bool:
    """§3.27.23: silenced by all of its suppressions; one that is rejected or still under review shows it again."""
    suppressions = items(result.get("suppressions"))
    return bool(suppressions) and all(text(mapping(one).get("status")) not in _NOT_YET for one in suppressions)


def _log(data: bytes) -> Json:
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise malformed(f"the output is not SARIF: {error}", hint=_HINT) from error
    if not isinstance(value, dict) or not isinstance(value.get("runs"), list):
        raise malformed('the output is not SARIF: it has no "runs" array', hint=_HINT)
    _check_results(value["runs"])
    version = text(value.get("version"))
    if version and not version.startswith("2."):
        raise malformed(f"the output is SARIF {version[:20]}, which is not read", hint=_HINT)
    return value


def _check_results(runs: list[object]) -> None:
    """Raises ScriptError where there is nothing at all to read: a run that failed before it had results, or results
    that say neither where nor what."""
    listed = [mapping(run).get("results") for run in runs]
    results = [result for of in listed for result in items(of)]
    if not all(isinstance(run, dict) for run in runs) or not all(of is None or isinstance(of, list) for of in listed):
        raise malformed("the output is not SARIF: a run or its results are of another kind", hint=_HINT)
    if results and not any(mapping(mapping(result).get("message")) or _rule_id(mapping(result)) for result in results):
        raise malformed("the output is not SARIF: its results have no messages", hint=_HINT)
    failed = [why for run in runs if (why := _failed(mapping(run)))]
    if failed and not results:
        raise ScriptError(failed[0], hint="run it by hand to see why", slug="script-failed")


def _failed(run: Json) -> str:
    """That the tool did not come to its end (§3.20.14); empty when it did."""
    for invocation in map(mapping, items(run.get("invocations"))):
        if invocation.get("executionSuccessful") is False:
            why = text(invocation.get("exitCodeDescription")) or _first_error(invocation) or "without a reason"
            return f"the tool says that its run failed: {title_of(why)}"
    return ""


def _first_error(invocation: Json) -> str:
    notes = (note for key in _NOTIFICATIONS for note in map(mapping, items(invocation.get(key))))
    return next((text(mapping(note.get("message")).get("text")) for note in notes if note.get("level") == "error"), "")


def _rule_id(result: Json) -> str:
    return text(result.get("ruleId")) or text(mapping(result.get("rule")).get("id"))


def _heard(said: str) -> str:
    return title_of(said) or "(no message)"


@dataclass(slots=True)
class _Run:
    """One run: its rules, its files and its base URIs give meaning to its results."""

    run: Json
    reading: Reading
    _indexes: dict[int | None, dict[str, Json]] = field(default_factory=dict)

    def results(self) -> Iterator[Json]:
        """The results that report something now, silenced ones included."""
        for result in filter(None, map(mapping, items(self.run.get("results")))):
            if result.get("kind") not in _NO_FINDING and result.get("baselineState") != "absent":
                yield result

    def finding(self, result: Json) -> RawFinding | None:
        """A result as a finding; None when it names no file."""
        physical = _physical(result)
        path = self.path(mapping(physical.get("artifactLocation")))
        if not path:
            return None
        rule = self.rule(result)
        rule_id = _rule_id(result) or text(rule.get("id"))
        message = self.message(result, rule)
        region = self._placed(mapping(physical.get("region")), path)
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
            rule_url=web(text(rule.get("helpUri"))),
        )
        return with_suggestion(found, self._edits(result, path), self.reading)

    def rule(self, result: Json) -> Json:
        """The rule's metadata (§3.52.3: by index, else by id; in the driver or in an extension). `CA1000/1` is a part
        of rule `CA1000` (§3.52.4)."""
        reference = mapping(result.get("rule"))
        home = whole(mapping(reference.get("toolComponent")).get("index"))
        home = home if home is not None and 0 <= home < len(self._extensions) else None
        rule_id = text(result.get("ruleId")) or text(reference.get("id"))
        index = whole(result.get("ruleIndex"))
        index = whole(reference.get("index")) if index is None else index
        rules = items((mapping(self._extensions[home]) if home is not None else self._driver).get("rules"))
        if index is not None and 0 <= index < len(rules):
            named = mapping(rules[index])
            if not rule_id or text(named.get("id")) == rule_id or rule_id.startswith(text(named.get("id")) + "/"):
                return named
        known = self._by_id(home)
        while rule_id and rule_id not in known:
            rule_id = rule_id.rpartition("/")[0]
        return known.get(rule_id, {})

    @property
    def _driver(self) -> Json:
        return mapping(mapping(self.run.get("tool")).get("driver"))

    @property
    def _extensions(self) -> Sequence[object]:
        return items(mapping(self.run.get("tool")).get("extensions"))

    def _by_id(self, home: int | None) -> dict[str, Json]:
        """The rules of one extension, or of the driver and all extensions; the first of an id counts."""
        if home not in self._indexes:
            homes = (
                [self._driver, *map(mapping, self._extensions)] if home is None else [mapping(self._extensions[home])]
            )
            every = [mapping(rule) for one in homes for rule in items(one.get("rules"))]
            self._indexes[home] = {text(rule.get("id")): rule for rule in reversed(every)}
        return self._indexes[home]

    def said(self, result: Json) -> str:
        """The message of a result."""
        return self.message(result, self.rule(result))

    def message(self, result: Json, rule: Json) -> str:
        """The message as plain text: its own, or the rule's or tool's with the arguments put in (§3.11.7)."""
        message = mapping(result.get("message"))
        plain = text(message.get("text"))
        if not plain:
            name = text(message.get("id"))
            homes = (rule.get("messageStrings"), self._driver.get("globalMessageStrings"))
            strings = (text(mapping(mapping(home).get(name)).get("text")) for home in homes)
            plain = next(filter(None, strings), "") or text(message.get("markdown"))
        arguments = [text(value) for value in items(message.get("arguments"))]
        if arguments:
            plain = _PLACEHOLDER.sub(lambda m: arguments[int(m[1])] if int(m[1]) < len(arguments) else m[0], plain)
        return (_LINK.sub(r"\1", plain) if "](" in plain else plain).strip()

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

    def gaps(self) -> Iterator[str]:
        """What is missing of the results."""
        if why := _failed(self.run):
            yield why
        if mapping(self.run.get("externalPropertyFileReferences")).get("results"):
            yield "results stand in external property files, which are not read"
        if strange := sum(not isinstance(result, dict) for result in items(self.run.get("results"))):
            yield f"{strange} result(s) that cannot be read"

    def failures(self) -> Iterator[tuple[str, str]]:
        """(path or nothing, message) of what the tool could not do (§3.20.21, §3.58)."""
        for value in items(self.run.get("invocations")):
            for key in _NOTIFICATIONS:
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
        lines = self.reading.lines(path) or ()
        in_utf16 = self.run.get("columnKind") != "unicodeCodePoints"  # §3.14.17: UTF-16 is the default
        replacements = map(mapping, items(changes[0].get("replacements")))
        return [edit for replacement in replacements if (edit := _edit(replacement, lines, in_utf16))]

    def _placed(self, region: Json, path: str) -> Json:
        """A region with its line where it has an offset in characters only (§3.30.9)."""
        offset = whole(region.get("charOffset"))
        if "startLine" in region or offset is None or offset < 0:
            return region
        for number, line in enumerate(self.reading.lines(path) or (), 1):
            if offset <= len(line):
                return {"startLine": number, "startColumn": offset + 1}
            offset -= len(line) + 1
        return region


def _physical(located: Json) -> Json:
    """The first place of a result or notification."""
    return mapping(mapping(next(iter(items(located.get("locations"))), None)).get("physicalLocation"))


def _edit(replacement: Json, lines: Sequence[str], in_utf16: bool) -> Edit | None:
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


def _category(rule: Json) -> Category:
    properties = mapping(rule.get("properties"))
    tags = [text(tag).lower() for tag in items(properties.get("tags"))]
    return "security" if "security" in tags or "security-severity" in properties else "other"
