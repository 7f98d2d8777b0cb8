"""Lines as compilers and linters print them for people: `path:line:col: message`, `path(line,col): error X: …`."""

from __future__ import annotations

import re

from loom.analyzers.formats.base import Parsed, Reading, title_of
from loom.core.diff import decode_path
from loom.core.finding import RawFinding

# Every pattern is linear: classes that exclude what follows them, no nested repetition. Bytes that are not UTF-8
# stand as surrogates until the path is taken, so that it is the one git knows.
_PLACE = re.compile(
    r"""
    (?P<path>(?:[A-Za-z]:[\\/])?[^\s:(][^:(\t]{0,1000}?)
    (?:
        :(?P<line>\d{1,9})(?:[:.,](?P<column>\d{1,9}))?(?:-\d{1,9}(?:[:.]\d{1,9})?)?(?:\s*:\s*|\s+-\s+|\s+)
      | \((?P<line2>\d{1,9})(?:,\s?(?P<column2>\d{1,9}))?(?:[,-]\s?\d{1,9}){0,2}\)\s*:\s*
    )
    (?P<rest>\S.*)
    """,
    re.VERBOSE,
)
_LEVEL = r"fatal error|fatal|error|err|warning|warn|note|info|information|hint|help|style|convention|refactor|notice"
_LEADING_LEVEL = re.compile(
    rf"(?:\[(?P<boxed>{_LEVEL})\]|(?P<plain>{_LEVEL})\b|(?P<rated>low|medium|high|critical)(?=:))[:\s]*", re.IGNORECASE
)
_LEADING_CODE = re.compile(
    r"\[?(?P<code>[A-Z]{1,10}-?\d{1,6}(?:/[a-z0-9-]+)?)\]?(?:\[\w+\](?=:))?(?:[:\s]+(?:\[\*\]\s+)?|$)"
)
_TRAILING_CODE = re.compile(r"\s*[\[(](?:(?P<level>Error|Warning)/)?(?P<code>-?[A-Za-z@][\w@/.=+()-]{1,80})[\])]$")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LINE_LENGTH = 4_000
_BARE_NAMES = frozenset(("Dockerfile", "Makefile", "Jenkinsfile", "Gemfile", "Rakefile", "Containerfile", "Justfile"))


def parse(data: bytes, reading: Reading) -> Parsed:
    """A finding for every line that names a place; the other lines (headings, sums, code) say nothing."""
    lines = decode_path(data).splitlines()
    findings = (_finding(_ANSI.sub("", line[:_LINE_LENGTH]).rstrip(), reading) for line in lines)
    return Parsed(tuple(finding for finding in findings if finding is not None))


def _finding(line: str, reading: Reading) -> RawFinding | None:
    found = _PLACE.match(line.removeprefix("vet: "))
    if found is None or not _is_path(found["path"], reading):
        return None
    number = int(found["line"] or found["line2"])
    column = int(found["column"] or found["column2"] or 0)
    level, code, message = _said(found["rest"])
    if number < 1:
        return None
    return RawFinding(
        path=reading.path(found["path"]),
        message=_shown(message),
        title=title_of(_shown(message)),
        line=number,
        end_line=number,
        column=column or None,
        severity=reading.severity(level, code),
        rule=code,
    )


def _is_path(text: str, reading: Reading) -> bool:
    """Whether this looks like a file rather than a time, a host or a sentence."""
    if text in reading.known or reading.path(text) in reading.known:
        return True
    if "://" in text or text.endswith("://") or len(text.split(" ")) > 4:
        return False
    name = text.replace("\\", "/").rpartition("/")[2]
    return "." in name.strip(".") or "/" in text or "\\" in text or name in _BARE_NAMES


def _said(rest: str) -> tuple[str | None, str | None, str]:
    """(level, rule, message) of what stands behind the place."""
    level = code = None
    for _ in range(2):  # "error TS2322: …" and "DL3008 warning: …"
        if level is None and (found := _LEADING_LEVEL.match(rest)) and rest[found.end() :]:
            level, rest = found["boxed"] or found["plain"] or found["rated"], rest[found.end() :]
        if code is None and (found := _LEADING_CODE.match(rest)) and rest[found.end() :]:
            code, rest = found["code"], rest[found.end() :]
    if found := _TRAILING_CODE.search(rest):
        level = level or found["level"]
        if found["code"] and rest[: found.start()]:
            code, rest = code or found["code"], rest[: found.start()]
    return level, code, rest


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
