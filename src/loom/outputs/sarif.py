"""The format `sarif`: SARIF 2.1.0 for code scanning and editors.
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, what GitHub makes of it:
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from loom.core.finding import Finding, Severity, SourceRule, Suggestion
from loom.core.result import Notice, ReviewResult
from loom.infra import json_text
from loom.infra.text import one_line, visible
from loom.outputs import summary
from loom.outputs.addresses import also, file_of, relative_uri, rule_id, web_address
from loom.outputs.base import Look

Json = dict[str, object]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS = 5_000
"""GitHub: "25,000 results per run; only the top 5,000 results will be included, prioritized by severity"."""
ROOT = "%SRCROOT%"

_LEVEL = {Severity.BLOCKER: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
# GitHub sorts security alerts by this number: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, below low.
_SECURITY_SEVERITY = {Severity.BLOCKER: "8.0", Severity.WARNING: "5.0", Severity.INFO: "2.0"}
_SECURITY = ("security", "secret")
_MAX_NOTIFICATIONS = 500
_TEXT_LIMIT = 20_000


def render(result: ReviewResult, look: Look) -> str:
    """The review as one SARIF run. Nothing depends on `look`."""
    log: Json = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(result)]}
    return json_text.dumps(log) + "\n"


def _run(result: ReviewResult) -> Json:
    shown = result.findings[:MAX_RESULTS]
    rules = _rules(shown)
    index = {rule["id"]: n for n, rule in enumerate(rules)}
    driver: Json = {"name": "loom", "rules": rules}
    if re.fullmatch(r"[0-9A-Za-z.+-]{1,40}", result.tool_version):
        driver["version"] = result.tool_version
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": "loom/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(result)],
        "results": [_result(finding, index[rule_id(finding)]) for finding in shown],
        "properties": {
            "verdict": _plain(summary.verdict(result).text),
            "omittedResults": len(result.findings) - len(shown),
        },
    }


# ---- rules


def _rules(findings: tuple[Finding, ...]) -> list[Json]:
    """A descriptor for each rule, in the order of first use; after them those of the other tools that report the same
    facts, which no result names as its own."""
    rules: dict[str, Json] = {}
    for finding in findings:
        rules.setdefault(rule_id(finding), _rule(finding))
    for finding in findings:
        for other in finding.also:
            rules.setdefault(_other_id(other), _other_rule(other))
    return list(rules.values())


def _rule(finding: Finding) -> Json:
    properties: Json = {"tags": [finding.category], "precision": "high" if finding.deterministic else "medium"}
    if finding.category in _SECURITY:
        properties["tags"] = list(dict.fromkeys(["security", finding.category]))
        properties["security-severity"] = _SECURITY_SEVERITY[finding.severity]
    about = finding.title if finding.rule and finding.title else f"{finding.category}, found by {finding.pipeline}"
    rule: Json = {
        "id": rule_id(finding),
        "shortDescription": {"text": _plain(one_line(about, 200))},
        "defaultConfiguration": {"level": _LEVEL[finding.severity]},
        "properties": properties,
    }
    if url := web_address(finding.rule_url):
        rule["helpUri"] = url
    return rule


def _other_id(other: SourceRule) -> str:
    return one_line(visible(other.rule), 200)


def _other_rule(other: SourceRule) -> Json:
    rule: Json = {
        "id": _other_id(other),
        "shortDescription": {"text": _plain(f"a rule of {one_line(other.source, 100)}")},
    }
    return rule | {"helpUri": url} if (url := web_address(other.rule_url)) else rule


# ---- results


def _result(finding: Finding, rule_index: int) -> Json:
    said: Json = {
        "ruleId": rule_id(finding),
        "ruleIndex": rule_index,
        "level": _LEVEL[finding.severity],
        "message": {"text": _plain(_message(finding))},
        "partialFingerprints": {"loom/v1": finding.fingerprint},
    }
    if uri := relative_uri(finding.path):
        said["locations"] = [{"physicalLocation": _location(finding, uri)}]
        if finding.suggestion and finding.suggestion.committable:
            said["fixes"] = [_fix(finding.suggestion, uri)]
    if finding.confidence is not None:
        said["rank"] = round(min(max(finding.confidence, 0.0), 1.0) * 100, 1)
    said["properties"] = {
        "pipeline": visible(finding.pipeline),
        "sources": [visible(source) for source in finding.sources],
        **({"also": [_also(other) for other in finding.also]} if finding.also else {}),
        "category": finding.category,
        "anchor": finding.anchor,
        "side": finding.side,
        "deterministic": finding.deterministic,
        "state": finding.state,
    }
    return said


def _also(other: SourceRule) -> Json:
    named: Json = {"source": visible(other.source), "ruleId": _other_id(other)}
    return named | {"helpUri": url} if (url := web_address(other.rule_url)) else named


def _message(finding: Finding) -> str:
    """What a list of alerts shows: the title, then the rest, then what other tools call it. A removed line has no
    place in the new file, so its number is told in words."""
    title = one_line(finding.title, 300)
    removed = f" (about removed line {finding.line})" if finding.side == "old" and finding.line else ""
    if not title or title == one_line(finding.message, 300):
        said = (finding.message or title) + removed
    else:
        said = f"{title}{removed}\n\n{finding.message}" if finding.message.strip() else title + removed
    return "\n\n".join([said, *(f"Also {other}" for other in also(finding))])


def _location(finding: Finding, uri: str) -> Json:
    """Where it is. GitHub asks for a start line ("region.startLine: Required"), so a finding about the whole file, or
    about a line that is gone, stands on line 1; `properties` say what it is."""
    place: Json = {"artifactLocation": {"uri": uri, "uriBaseId": ROOT}}
    if finding.line is None or finding.side == "old":
        return place | {"region": {"startLine": 1}}
    region: Json = {"startLine": finding.line}
    if finding.column:
        region["startColumn"] = finding.column
    if finding.end_line and finding.end_line > finding.line:
        region["endLine"] = finding.end_line
    return place | {"region": region}


def _fix(suggestion: Suggestion, uri: str) -> Json:
    """Whole lines replaced. Without columns a region ends before its last line's line feed (SARIF 3.30.8), as
    Suggestion.text does; lines that go away take theirs with them."""
    if suggestion.text:
        region: Json = {"startLine": suggestion.line, "endLine": suggestion.end_line}
        replacement: Json = {"deletedRegion": region, "insertedContent": {"text": suggestion.text}}
    else:
        region = {"startLine": suggestion.line, "startColumn": 1, "endLine": suggestion.end_line + 1, "endColumn": 1}
        replacement = {"deletedRegion": region}
    return {
        "description": {"text": f"Replace {summary.lines(suggestion)}."},
        "artifactChanges": [
            {"artifactLocation": {"uri": uri, "uriBaseId": ROOT}, "replacements": [replacement]},
        ],
    }


def _plain(text: str) -> str:
    """Text for `message.text`, in which `[text](target)` is a link (SARIF 3.11.6) that GitHub draws. Braces stay
    single: viewers look for placeholders only where there are arguments."""
    shown = visible(text.replace("\r", "")[:_TEXT_LIMIT])
    return re.sub(r"([\\\[\]])", r"\\\1", shown) or " "


# ---- how the run went


def _invocation(result: ReviewResult) -> Json:
    notes = list(_notifications(result))
    rest = len(notes) - _MAX_NOTIFICATIONS
    if rest > 0:
        notes[_MAX_NOTIFICATIONS:] = [
            _notification("warning", "more", f"{rest:,} more notifications are in the result file.")
        ]
    return {
        "executionSuccessful": result.outcome.complete,
        "exitCode": result.outcome.exit_code,
        "toolExecutionNotifications": notes,
    }


def _notifications(result: ReviewResult) -> Iterator[Json]:
    complete = result.outcome.complete
    if result.outcome.skipped or not complete:
        yield _notification("note" if complete else "error", "verdict", summary.verdict(result).text)
    if (rest := len(result.findings) - MAX_RESULTS) > 0:
        yield _notification("warning", "too-many", f"{rest:,} more findings, the least severe, are in the result file.")
    for notice in result.errors:
        yield _notification("error", notice.slug, _notice(notice))
    for notice in result.warnings:
        yield _notification("warning", notice.slug, _notice(notice))
    for gap in summary.gaps(result):
        who = f"by {gap.who} ({gap.pipeline.status}): " if gap.pipeline else ""
        text = f"{gap.word.capitalize()} {who}{gap.reason}" if who else f"{gap.word.capitalize()}: {gap.reason}"
        serious = gap.pipeline is not None and gap.pipeline.required and gap.pipeline.status != "skipped"
        yield _notification("error" if serious else "note", "not-reviewed", text, gap.paths)


def _notice(notice: Notice) -> str:
    who = f"{notice.pipeline}: " if notice.pipeline else ""
    return f"{who}{notice.message}" + (f" ({notice.hint})" if notice.hint else "")


def _notification(level: str, slug: str, text: str, paths: tuple[str, ...] = ()) -> Json:
    said: Json = {"level": level, "descriptor": {"id": one_line(visible(slug), 100)}, "message": {"text": _plain(text)}}
    uris: Mapping[str, None] = dict.fromkeys(filter(None, (relative_uri(file_of(path)) for path in paths[:100])))
    if uris:
        said["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": u, "uriBaseId": ROOT}}} for u in uris]
    return said
