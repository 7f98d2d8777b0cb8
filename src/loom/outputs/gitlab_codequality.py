"""The format `gitlab-codequality`: the report that GitLab shows beside a merge request.
https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format, a subset of
https://github.com/codeclimate/platform/blob/master/spec/analyzers/SPEC.md#issues
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from loom.core.finding import Finding, Severity
from loom.core.result import ReviewResult
from loom.infra import json_text
from loom.infra.text import one_line, to_comment, visible
from loom.outputs.addresses import also, relative_path, rule_id, web_address
from loom.outputs.base import Look
from loom.outputs.unread import RULE, Unread, unread

Json = dict[str, object]

_MOST_TEXT = 4_000
_CATEGORIES = {
    "bug": "Bug Risk", "concurrency": "Bug Risk", "error-handling": "Bug Risk", "data": "Bug Risk",
    "security": "Security", "secret": "Security", "dependency": "Security", "performance": "Performance",
    "api": "Compatibility", "style": "Style",
}  # fmt: skip
"""Ours -> Code Climate's; what is not here makes code less clear."""


def render(result: ReviewResult, look: Look) -> str:
    """The findings that have a file, as one JSON array, the worst first. Nothing depends on `look`."""
    return json_text.dumps(list(_issues(result))) + "\n"


def _issues(result: ReviewResult) -> Iterator[Json]:
    taken: set[str] = set()
    for finding in result.findings:
        if path := relative_path(finding.path):
            yield _issue(finding, path, _unique(visible(finding.fingerprint), taken))
    if gap := unread(result):
        yield _incomplete(gap, taken)


def _unique(fingerprint: str, taken: set[str]) -> str:
    """GitLab compares two branches by fingerprint, and of equal ones shows one."""
    name, n = fingerprint, 1
    while name in taken:
        n += 1
        name = f"{fingerprint}-{n}"
    taken.add(name)
    return name


def _issue(finding: Finding, path: str, fingerprint: str) -> Json:
    title = one_line(finding.title or finding.message, 300) or "(no text)"
    removed = f" (about removed line {finding.line})" if finding.side == "old" and finding.line else ""
    others = ", ".join(f"{other.rule} of {other.source}" for other in finding.also)
    return {
        "type": "issue",
        "check_name": rule_id(finding),
        "description": title + removed + (f" (also {one_line(others, 300)})" if others else ""),
        "content": {"body": _body(finding)},
        "categories": [_CATEGORIES.get(finding.category, "Clarity")],
        "severity": _severity(finding),
        "fingerprint": fingerprint,
        "location": {"path": path, "lines": _lines(finding)},
    }


def _severity(finding: Finding) -> str:
    """GitLab knows info, minor, major, critical and blocker. What a tool knows to block is a blocker, what a model
    believes to is critical."""
    match finding.severity:
        case Severity.BLOCKER:
            return "blocker" if finding.deterministic_severity is Severity.BLOCKER else "critical"
        case Severity.WARNING:
            return "major"
        case Severity.INFO:
            return "info"


def _lines(finding: Finding) -> Json:
    """A finding about the whole file, or about a line that is gone, stands on line 1: GitLab asks for a line."""
    if finding.line is None or finding.side == "old":
        return {"begin": 1}
    end = finding.end_line or finding.line
    return {"begin": finding.line, "end": end} if end > finding.line else {"begin": finding.line}


def _body(finding: Finding) -> str:
    """What Code Climate calls a Markdown snippet, for viewers that show more than the description."""
    links = [link] if (link := web_address(finding.rule_url)) else []
    links += [f"also {other}" for other in also(finding)]
    return to_comment("\n\n".join([finding.message or finding.title, *links]), limit=_MOST_TEXT)


def _incomplete(gap: Unread, taken: set[str]) -> Json:
    digest = hashlib.sha256(f"{RULE}\0{gap.path}".encode()).hexdigest()[:16]
    return {
        "type": "issue",
        "check_name": RULE,
        "description": one_line(gap.text, 600),
        "categories": ["Clarity"],
        "severity": "major",
        "fingerprint": _unique(digest, taken),
        "location": {"path": gap.path, "lines": {"begin": 1}},
    }
