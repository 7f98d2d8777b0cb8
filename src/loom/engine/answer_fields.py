"""The fields of one finding as models name and write them, each turned into ours. Pure functions over JSON values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from loom.core.diff import Side
from loom.core.finding import CATEGORIES, Category, Severity
from loom.engine.json_strings import without_surrogates
from loom.engine.tolerant_json import Json

Object = Mapping[str, Json]
"""A JSON object whose keys went through `plain`."""

# Names other than ours that models, tools and other reviewers' prompts use; the first one present counts.
PATH: Final = (
    "path", "file", "filename", "filepath", "relevant_file", "file_name", "file_path", "new_path", "source_file",
    "uri", "location", "where",
)  # fmt: skip
LINE: Final = (
    "line", "line_number", "start_line", "line_start", "lines", "line_numbers", "lineno", "line_no", "line_range",
    "range", "first_line", "from_line", "begin_line", "new_line", "start", "from", "row", "location", "where",
)  # fmt: skip
END_LINE: Final = ("end_line", "line_end", "last_line", "to_line", "stop_line", "end_line_number", "end", "to")
COLUMN: Final = ("column", "col", "start_column", "column_number")
MESSAGE: Final = (
    "message", "description", "comment", "body", "text", "details", "detail", "explanation", "issue", "problem",
    "finding", "content", "msg", "reason", "note", "issue_content", "review_comment", "review", "feedback",
)  # fmt: skip
TITLE: Final = ("title", "header", "headline", "issue_header", "name", "summary", "short_description")
SEVERITY: Final = ("severity", "level", "priority", "importance", "severity_level", "criticality")
PERHAPS_SEVERITY: Final = ("impact", "risk", "type")
"""Often something else: counted only when the word is one of ours."""
CATEGORY: Final = ("category", "type", "kind", "issue_type", "class", "label", "labels", "tags", "area")
CONFIDENCE: Final = ("confidence", "certainty", "confidence_score", "probability", "likelihood")
QUOTE: Final = (
    "quote", "existing_code", "code_snippet", "snippet", "code", "original_code", "line_text", "offending_code",
    "code_line",
)  # fmt: skip
SUGGESTION: Final = (
    "suggestion", "suggested_code", "improved_code", "replacement", "fixed_code", "code_suggestion", "new_code",
    "suggested_change", "suggested_fix", "fix",
)  # fmt: skip
ADVICE: Final = (
    "recommendation", "remediation", "how_to_fix", "resolution", "suggested_fix", "suggested_change", "fix", "advice",
)  # fmt: skip
"""What to do, in prose."""
RULE: Final = ("rule", "rule_id", "check", "check_id", "cwe")
SIDE: Final = ("side", "diff_side")

_MAX_LINE_NUMBER: Final = 10**9


def plain(key: str) -> str:
    """A key without what spelling varies: `filePath`, `File-Path` and `file path` are `file_path`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.strip()[:80])
    return re.sub(r"[\s\-.]+", "_", snake).lower()


KEYS: Final = frozenset(
    spelling
    for name in (*PATH, *LINE, *END_LINE, *COLUMN, *MESSAGE, *TITLE, *SEVERITY, *PERHAPS_SEVERITY, *CATEGORY,
                 *CONFIDENCE, *QUOTE, *SUGGESTION, *ADVICE, *RULE, *SIDE)
    for spelling in (name, name.replace("_", ""), name.replace("_", "-"), name.replace("_", " "))
)  # fmt: skip
"""Every key of a finding, as `tolerant_json.read` compares them."""


def first(item: Object, names: Iterable[str]) -> Json:
    """The value of the first name that is there and says something."""
    return next((item[name] for name in names if item.get(name) not in (None, "", [], {})), None)


def text(value: Json) -> str:
    """Text that a value holds: strings, lines in a list, numbers. Control characters a slip of escaping made are
    spelled back, lone surrogates replaced."""
    if isinstance(value, str):
        clean = without_surrogates(value)
        return clean.replace("\b", "\\b").replace("\f", "\\f")
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "\n".join(text(part) for part in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def said(item: Object, names: Iterable[str]) -> str:
    """The text under the first of the names that holds any."""
    return next((words for name in names if (words := text(item.get(name)).strip())), "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding says it is. Empty and None: not said."""

    path: str = ""
    line: int | None = None
    end_line: int | None = None
    column: int | None = None


def place(item: Object) -> Place:
    """Path, lines and column, from whichever fields hold them: `"a.py:12-15"` in either, `[12, 15]`, `"L12"`,
    `{"start": 12, "end": 15}`, a nested location."""
    nested = [value for name in (*PATH, *LINE) if isinstance(value := item.get(name), dict)]
    inner = place({plain(key): value for key, value in nested[0].items()}) if nested else Place()
    named = _located(text(first(item, (name for name in PATH if isinstance(item.get(name), str)))).strip())
    told = _lines(first(item, (name for name in LINE if not isinstance(item.get(name), dict))))
    line = next((p.line for p in (told, named, inner) if p.line is not None), None)
    until = _end(first(item, END_LINE))
    end = until if until is not None else next((p.end_line for p in (told, named, inner) if p.line == line), None)
    if line is None:
        line, end = end, None
    elif end is not None and end < line:
        line, end = end, line
    column = _whole(first(item, COLUMN))
    return Place(named.path or told.path or inner.path, line, end, column or told.column or named.column)


def _end(value: Json) -> int | None:
    """The last line, also where it is an object with a line in it (`range.end.line`)."""
    return _whole(first(value, LINE) if isinstance(value, dict) else value)


# "src/a.py:12", "src/a.py:12-15", "src/a.py:12:5", "src/a.py#L12-L15"
_LOCATED = re.compile(r"(?P<path>[^\n]{0,4000}?[^\s:#])(?::|\#)(?:[Ll]ines? ?|L)?(?P<line>\d{1,9})"
                      r"(?:(?P<to>[-–—]|\.\.)L?(?P<end>\d{1,9})|:(?P<column>\d{1,9}))?(?::\d{1,9})?")  # fmt: skip
# "12", "L12", "12-15", "lines 40–44", "12 to 15", "12:5", "line 12, column 5"
_RANGE = re.compile(r"[^\d]{0,40}?(?P<line>\d{1,9})"
                    r"(?:\s*(?P<to>[-–—,~]|\.\.+|to|and|until|through)\s*L?(?P<end>\d{1,9})"
                    r"|\s*(?::|,? *col(?:umn)?\.?)\s*(?P<column>\d{1,9}))?", re.IGNORECASE)  # fmt: skip


def _located(value: str) -> Place:
    """A path, perhaps with lines behind it. A path alone stays whole, whatever characters it has."""
    match = _LOCATED.fullmatch(value)
    # "a#1" is a file name or a hunk id, "a.py:12" and "a.py#L12" are places.
    if match is None or "#" in value[match.end("path") : match.start("line")].replace("#L", ""):
        return Place(value)
    return Place(match["path"], _whole(match["line"]), _whole(match["end"]), _whole(match["column"]))


def _lines(value: Json) -> Place:
    if isinstance(value, list):
        numbers = [number for number in map(_whole, value[:100]) if number is not None]
        return Place("", numbers[0], max(numbers) if len(numbers) > 1 else None) if numbers else Place()
    if not isinstance(value, str):
        return Place("", _whole(value))
    if re.search(r"[:#]", value) and not re.match(r"\s*[\dL]", value):
        located = _located(value.strip())
        if located.line is not None and re.search(r"[./]", located.path):
            return located
    match = _RANGE.match(value)
    return Place("", *map(_whole, match.group("line", "end", "column"))) if match else Place()


def _whole(value: Json) -> int | None:
    """A line or column number: positive, whole, believable."""
    if isinstance(value, str) and re.fullmatch(r"\s*L?\+?\d{1,9}(\.0+)?\s*", value):
        value = float(value.strip().lstrip("L+"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and 0 < value < _MAX_LINE_NUMBER else None


def _words(levels: Mapping[Severity, str]) -> dict[str, Severity]:
    return {word: severity for severity, words in levels.items() for word in words.split()}


_SEVERITIES: Final = _words(
    {
        Severity.BLOCKER: "blocker blocking block critical crit fatal high highest error severe p0 p1 urgent danger "
        "🔴 🚨",
        Severity.WARNING: "warning warn medium moderate major important mid normal p2 🟠 🟡 ⚠",
        Severity.INFO: "info information informational low lowest minor nit nitpick note notice hint suggestion "
        "trivial optional style p3 p4 🔵 🟢",
    }
)


def severity(item: Object) -> Severity | None:
    """None for a missing severity; an unknown one is `info`: it must not stop a merge by its spelling."""
    if word := said(item, SEVERITY):
        return severity_word(word) or Severity.INFO
    return next((known for name in PERHAPS_SEVERITY if (known := _exact_severity(text(item.get(name))))), None)


def _exact_severity(value: str) -> Severity | None:
    return _SEVERITIES.get(value.strip().lower())


def severity_word(value: str) -> Severity | None:
    """The severity a word stands for, None for any other text."""
    parts = re.findall(r"[a-z]+\d?|[🔴🚨🟠🟡⚠🔵🟢]", value[:60].lower())
    return next((_SEVERITIES[part] for part in parts if part in _SEVERITIES), None)


_CATEGORY_WORDS: Final[Mapping[Category, str]] = {
    "bug": "bugs correctness logic functional functionality runtime possible_bug possible_issue defect error",
    "security": "vulnerability vulnerabilities vuln injection xss auth authentication authorization privacy",
    "performance": "perf efficiency optimization optimisation speed scalability memory",
    "concurrency": "race race_condition threading thread_safety deadlock async",
    "error-handling": "errors error_handling exception exceptions exception_handling resilience robustness reliability",
    "api": "contract compatibility breaking_change breaking_changes interface",
    "data": "database migration data_loss data_integrity schema",
    "tests": "test testing coverage test_coverage",
    "docs": "doc documentation comment comments typo typos",
    "style": "formatting naming lint convention conventions",
    "maintainability": "maintenance readability design architecture complexity duplication refactor refactoring "
    "code_quality quality best_practice best_practices cleanup dead_code code_smell enhancement",
    "secret": "secrets credential credentials hardcoded_secret",
    "dependency": "dependencies deps supply_chain",
}
_CATEGORIES: Final[Mapping[str, Category]] = {
    **{word: category for category, words in _CATEGORY_WORDS.items() for word in words.split()},
    **{category.replace("-", "_"): category for category in CATEGORIES},
}


def category_word(value: str) -> Category | None:
    """The category a word stands for, None for any other text."""
    name = plain(value)
    return _CATEGORIES.get(name) or next((_CATEGORIES[part] for part in name.split("_") if part in _CATEGORIES), None)


def category(item: Object) -> Category:
    """The first category that any of the fields names, else `other`."""
    named = [part for name in CATEGORY for part in _each(item.get(name))]
    return next((known for part in named if (known := category_word(part))), "other")


def _each(value: Json) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else [text(value)]


_CONFIDENCE_WORDS: Final = {
    "certain": 1.0, "very_high": 0.95, "high": 0.9, "likely": 0.75, "medium": 0.6, "moderate": 0.6, "possible": 0.5,
    "low": 0.3, "unlikely": 0.2, "very_low": 0.1,
}  # fmt: skip
_AMOUNT = re.compile(r"\s*(\d{1,4}(?:\.\d{1,9})?|\.\d{1,9})\s*(%|/\s*(10{1,2}))?\s*")


def confidence(value: Json) -> float | None:
    """0 to 1 from a fraction, a percentage, "8/10" or a word; None when it says nothing."""
    if isinstance(value, str):
        if (amount := _AMOUNT.fullmatch(value)) is None:
            return _CONFIDENCE_WORDS.get(plain(value))
        scale = 100.0 if amount[2] == "%" else float(amount[3] or 1)
        return _fraction(float(amount[1]) / scale)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _fraction(float(value))


def _fraction(value: float) -> float | None:
    if 1 < value <= 100:
        value /= 100
    return value if 0 <= value <= 1 else None  # NaN is neither


_OLD: Final = frozenset({"old", "left", "base", "before", "removed", "deleted", "original", "-"})


def side(value: Json) -> Side:
    """The side of the diff; the new one unless another is named."""
    return "old" if isinstance(value, str) and value.strip().lower() in _OLD else "new"


# What we print before the code (`show_diff`): a number and a mark, or a mark alone, and a bar.
_GUTTER = re.compile(r" *(?:\d+ *[+-]?|[+-]) ?\|(?: |$)")
_FENCED = re.compile(r"\s*(`{3,}|~{3,})[^\n`]*\n(?P<code>.*?)\n?[ \t]*\1\s*", re.DOTALL)


def code(value: Json) -> str | None:
    """Copied or proposed code, without a Markdown fence or our own line numbers around it; None when not given."""
    if value is None or not isinstance(value, str | list):
        return None
    body = text(value)
    if fenced := _FENCED.fullmatch(body):
        body = fenced["code"]
    lines = body.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if all(_GUTTER.match(line) or not line.strip() for line in lines) and body.strip():
        lines = [_GUTTER.sub("", line, count=1) for line in lines]
    return "\n".join(lines)


def quote(item: Object) -> str | None:
    """The quoted code; None when there is none."""
    found = code(first(item, (name for name in QUOTE if name != "code" or not _is_rule_code(item))))
    return found if found and found.strip() else None


def rule(item: Object) -> str | None:
    """The rule it names."""
    named = said(item, RULE) or (said(item, ("code",)) if _is_rule_code(item) else "")
    return " ".join(named.split())[:200] or None


def _is_rule_code(item: Object) -> bool:
    """Whether `code` is "E501" or "no-eval" rather than source text."""
    return re.fullmatch(r"[A-Za-z]{1,10}-?\d{1,6}", said(item, ("code",))) is not None


def suggestion(item: Object) -> str | None:
    """The replacement text. `""` under our own name deletes the lines; prose under a foreign one is not code."""
    own = item.get("suggestion")
    if isinstance(own, str):
        return code(own)
    value = first(item, SUGGESTION)
    if isinstance(value, dict):
        value = first({plain(key): inner for key, inner in value.items()}, ("code", "new", *SUGGESTION, "text"))
    found = code(value)
    return found if found and _CODE_LIKE.search(found) else None


def advice(item: Object) -> str:
    """What to do, as far as it is prose."""
    prose = said(item, ADVICE)
    return "" if _CODE_LIKE.search(prose) else prose


_CODE_LIKE = re.compile(r"[=;{}\[\]<>]|\w\(|^\s{2,}\S|->|\n", re.MULTILINE)
