"""A team's own pattern over a tool's output: RE2 with groups `file`, `line`, `end_line`, `column`, `severity`,
`message`, `rule`. `^` and `$` stand at line ends."""

from __future__ import annotations

from loom.analyzers.formats.base import Parsed, Reading, malformed, title_of
from loom.core.diff import decode_text
from loom.core.finding import RawFinding

GROUPS = ("file", "line", "end_line", "column", "severity", "message", "rule")
REQUIRED = ("file", "message")


def parse(data: bytes, reading: Reading) -> Parsed:
    """A finding for every match, in order."""
    from loom.infra import regex

    if not reading.pattern:
        raise malformed("`parse_output: regex` has no pattern", hint="set `pattern:` of this pipeline")
    try:
        pattern = regex.compile(f"(?m){reading.pattern}")
    except regex.RegexError as error:
        raise malformed(f"the pattern is not a regular expression: {error}", hint="see RE2's syntax") from error
    missing = [name for name in REQUIRED if name not in pattern.names]
    if missing:
        raise malformed(
            f"the pattern has no group {' and no group '.join(missing)}",
            hint=f"name the groups (?P<file>…) and so on; known: {', '.join(GROUPS)}",
        )
    found = (_finding(match.groupdict(), reading) for match in pattern.finditer(decode_text(data)))
    return Parsed(tuple(finding for finding in found if finding is not None))


def _finding(named: dict[str, str | None], reading: Reading) -> RawFinding | None:
    if not named["file"]:
        return None
    line, end_line, column = (_number(named.get(name)) for name in ("line", "end_line", "column"))
    rule = named.get("rule") or None
    message = (named["message"] or "").strip() or rule or "(no message)"
    return RawFinding(
        path=reading.path(named["file"].strip()),
        message=message,
        title=title_of(message),
        line=line,
        end_line=max(line, end_line or line) if line else None,
        column=column,
        severity=reading.severity(named.get("severity"), rule),
        rule=rule,
    )


def _number(digits: str | None) -> int | None:
    if not digits or not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        return None
    return int(digits) or None
