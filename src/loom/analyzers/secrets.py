"""builtin/secrets: keys, tokens and passwords on added lines. The secret itself is never part of a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.analyzers.base import Report
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, Hunk
from loom.core.finding import RawFinding, Severity
from loom.infra import secrets

# Where secrets are mostly made up. A real one still counts as one for whoever finds it, so it is reported, lower.
_PRACTICE = re.compile(
    r"(?i)(?:^|/)(?:tests?|testing|testdata|test-?data|specs?|__tests__|__mocks__|mocks?|fixtures?|snapshots?|cypress|e2e"
    r"|examples?|samples?|demos?|docs?|documentation|tutorials?)/"
    r"|(?:^|/)(?:test_[^/]*|conftest\.py|[^/]*[._-](?:tests?|spec|mock|stories|example|sample|template|dist)(?:\.[^/.]+)?)$"
    r"|[^/](?:Tests?|Spec|IT)\.(?:java|kt|scala|groovy|cs|swift|php)$"
    r"|\.(?:md|mdx|rst|adoc|txt|ipynb|snap)$"
)

# What vendors' manuals and templates write where a secret would stand. Masked all the same, but no finding.
_MADE_UP = re.compile(r"AKIA\w{0,16}EXAMPLE|(?i:placeholder|your[-_]|changeme)|(.)\1{7}")


class Secrets:
    """Reports every secret that an added line holds or, for keys over several lines, has a part of.

    Severity: what has the form of a real secret blocks, what is guessed by a name beside it (`password = "…"`) blocks
    too; in tests, examples and documentation, where most are made up, the former warns and the latter informs.
    """

    def run(self, change: ChangeSet, files: Files) -> Report:
        """One finding per line and kind of secret. Only the change itself is looked at."""
        return Report(tuple(finding for file in change.files for hunk in file.hunks for finding in _hunk(file, hunk)))


def _hunk(file: FileChange, hunk: Hunk) -> Iterator[RawFinding]:
    if b"\n+" not in b"\n" + hunk.body:
        return
    lines = [line for line in hunk.lines() if line.new is not None]
    text = "\n".join(line.text for line in lines)
    seen: set[tuple[int, str]] = set()
    for hit in secrets.find(text):
        if not secrets.is_guess(hit.rule) and _MADE_UP.search(text, hit.start, hit.end):
            continue
        touched = range(hit.line - 1, hit.line + text.count("\n", hit.start, hit.end))
        added = [number for index in touched if lines[index].kind == "+" and (number := lines[index].new) is not None]
        if added and (added[0], hit.rule) not in seen:
            seen.add((added[0], hit.rule))
            yield _finding(file.path, added[0], hit.rule)


def _finding(path: str, line: int, rule: str) -> RawFinding:
    practice = _PRACTICE.search(path) is not None
    what = secrets.title(rule)
    return RawFinding(
        path=path,
        line=line,
        severity=_severity(rule, practice=practice),
        category="secret",
        rule=f"secrets/{rule}",
        title=f"{what[0].upper()}{what[1:]} in the code",
        message=_message(what, guess=secrets.is_guess(rule), practice=practice),
    )


def _severity(rule: str, *, practice: bool) -> Severity:
    if not practice:
        return Severity.BLOCKER
    return Severity.INFO if secrets.is_guess(rule) else Severity.WARNING


def _message(what: str, *, guess: bool, practice: bool) -> str:
    looks = "This line seems to hold" if guess else "This line holds what has the form of"
    advice = (
        f"{looks} {what}. Everyone who can read the repository can use it, and git keeps it in the history after the "
        "line is gone. Revoke it and make a new one where it was issued, then read it at run time from an environment "
        "variable or a secret store."
    )
    if practice:
        return f"{advice} If it was made up, write it shorter or in two parts, so that nobody takes it for a real one."
    return advice
