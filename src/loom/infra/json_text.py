"""JSON as text for files that people look at, print and compare: laid out for reading, lossless, and inert on a
terminal and in a CI log."""

from __future__ import annotations

import json
import re

_SHORT = 110
"""Columns that a list or object may take on one line."""

# Beyond what JSON has to escape: DEL and C1, which move a terminal's cursor (CSI is U+009B), and what is not seen or
# turns the text around. All of it can only stand inside strings.
_ODD = re.compile(
    "[\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
# Runners of GitHub Actions, Azure Pipelines and TeamCity look for `##[`, `##vso[` and `##teamcity[` anywhere in a line
# of the log; `::command::` counts only at the start of one, where JSON has its own signs.
_COMMAND = re.compile(r"(##[A-Za-z]{0,20})\[")


def dumps(value: object) -> str:
    """`value` as JSON: the same value gives the same text. Raises ValueError for NaN and infinity."""
    return _ODD.sub(_escaped, _COMMAND.sub(r"\1\\u005b", _layout(value, 0)))


def line(value: object) -> str:
    """`value` as JSON on one line without its end, for JSON Lines; as inert as `dumps`."""
    return _ODD.sub(_escaped, _COMMAND.sub(r"\1\\u005b", _compact(value)))


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def _layout(value: object, depth: int) -> str:
    """What is short or holds only plain values in a list stands on one line (a line of code is one line), the rest
    one item a line."""
    if not isinstance(value, dict | list) or not value:
        return _compact(value)
    if _flat(value):
        line = _compact(value)
        if isinstance(value, list) or len(line) <= _SHORT:
            return line
    margin = "\n" + " " * (depth + 1)
    if isinstance(value, list):
        return "[" + ",".join(margin + _layout(item, depth + 1) for item in value) + margin[:-1] + "]"
    items = (f"{margin}{_compact(key)}: {_layout(item, depth + 1)}" for key, item in value.items())
    return "{" + ",".join(items) + margin[:-1] + "}"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _flat(value: dict[str, object] | list[object]) -> bool:
    """Whether it holds plain values only; an object may hold lists of them."""
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) and item for item in value)
    return all(not isinstance(item, dict | list) or (isinstance(item, list) and _flat(item)) for item in value.values())
