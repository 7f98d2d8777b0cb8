"""Finds the findings in the JSON of an answer, however they are nested, grouped and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from loom.core.finding import Category, RawFinding, Severity
from loom.engine import answer_fields as fields
from loom.engine.tolerant_json import CutObject, Json, read

LISTS: Final = frozenset(
    (
        "findings", "issues", "comments", "results", "problems", "violations", "review_comments", "bugs", "defects",
        "vulnerabilities", "annotations", "diagnostics", "concerns", "key_issues_to_review", "code_feedback",
    )
)  # fmt: skip
"""Names of the list of findings; an empty list under one of them is an answer."""
_COVERAGE: Final = ("coverage", "covered", "reviewed_hunks", "reviewed")
_SUMMARY: Final = ("summary", "overview", "overall", "assessment")
_CARRIERS: Final = LISTS | {
    "arguments", "content", "output", "response", "answer", "input", "json", "text", "result",
}  # fmt: skip
"""Keys under which a whole answer may stand as a string (tool calls, wrapped replies)."""
_GROUPS: Final[Mapping[str, Category]] = {
    "security": "security", "performance": "performance", "style": "style", "bugs": "bug", "bug": "bug",
    "concurrency": "concurrency", "maintainability": "maintainability", "documentation": "docs", "tests": "tests",
}  # fmt: skip
"""Keys that group findings by subject."""
KEYS: Final = fields.KEYS | LISTS | frozenset((*_COVERAGE, *_SUMMARY))

_MAX_LEVELS: Final = 12
_MAX_VALUES: Final = 10_000  # far above any review; a model that babbles empty objects ends here
_MAX_TITLE: Final = 200

_Identity: TypeAlias = tuple[str, str, int | None, int | None, str]


@dataclass(frozen=True, slots=True)
class _Around:
    """What the values around say for the findings within."""

    path: str = ""
    severity: Severity | None = None
    category: Category = "other"
    listed: bool = False
    """Within a list that is known to hold findings."""


class Walk:
    """Collects what the values of one answer say. Feed it the outermost values in order."""

    def __init__(self, only_path: str = "") -> None:
        self.findings: dict[_Identity, RawFinding] = {}
        self.coverage: list[str] | None = None
        self.summary = ""
        self.unusable = 0
        """Entries of a list of findings that are none."""
        self._only_path = only_path
        self._empty = False
        """An empty list of findings was given as the answer."""
        self._cut = False
        """A finding was half written."""
        self._left = _MAX_VALUES
        """Objects and lists that may still be looked at; below 0, some were not."""
        self._carried_cut = False
        self._heard = 0
        self._alone: Callable[[], bool] = lambda: True

    @property
    def recognised(self) -> bool:
        """Whether that was an answer."""
        return bool(self.findings) or self._cut or (self._empty and not self.unusable)

    @property
    def truncated(self) -> bool:
        """Whether something in it could not be read to its end."""
        return self._carried_cut or self._left < 0

    def root(self, value: Json, *, alone: Callable[[], bool]) -> None:
        """Takes one outermost value. `alone` tells whether it stands by itself rather than within a sentence."""
        self._alone = alone
        if value == [] and alone():
            self._heard_nothing()
        self._visit(value, _Around(), 0)

    def _visit(self, value: Json, around: _Around, level: int) -> None:
        if level > _MAX_LEVELS or not value or self._left < 0:
            return
        self._left -= isinstance(value, list | dict)
        if isinstance(value, list):
            for entry in value:
                self._entry(entry, around, level)
        elif isinstance(value, dict):
            item = {fields.plain(key): inner for key, inner in value.items()}
            if not _is_finding(item, around):
                self._container(value, item, around, level)
            elif isinstance(value, CutObject):
                self._cut = True
                self._heard += 1
            else:
                self._add(item, around)

    def _entry(self, entry: Json, around: _Around, level: int) -> None:
        """One entry of a list; where findings are listed, one that says nothing is noticed."""
        before = self._heard
        self._visit(entry, around, level + 1)
        if not around.listed or self._heard > before or not entry:
            return
        if isinstance(entry, CutObject):
            self._cut = True
        elif isinstance(entry, dict | str):
            self.unusable += 1
        self._heard += 1

    def _container(self, value: Mapping[str, Json], item: fields.Object, around: _Around, level: int) -> None:
        self._note(item, level)
        inside = replace(around, path=_own_path(item) or around.path)
        for raw_key, child in value.items():
            key = fields.plain(raw_key)
            if key in LISTS and child in (None, [], {}, ""):
                if self.coverage or self._alone():
                    self._heard_nothing()
            elif isinstance(child, list | dict):
                self._visit(child, _within(inside, raw_key, key), level + 1)
            elif isinstance(child, str) and key in _CARRIERS:
                self._carried(child, _within(inside, raw_key, key), level)
        if item and all(child == [] for child in item.values()) and all(map(fields.severity_word, item)):
            self._heard_nothing()  # {"critical": [], "major": []}

    def _carried(self, text: str, around: _Around, level: int) -> None:
        """An answer as a string within the answer."""
        if not text.lstrip().startswith(("{", "[", "```")):
            return
        reading = read(text, keys=KEYS)
        self._carried_cut = self._carried_cut or reading.truncated
        for inner in reading.values:
            self._visit(inner.value, around, level + 2)

    def _note(self, item: fields.Object, level: int) -> None:
        for name in _COVERAGE:
            if isinstance(covered := item.get(name), list | dict | str):
                self.coverage = [*(self.coverage or ()), *_ids(covered)]
        if not self.summary and level <= 2:
            self.summary = fields.said(item, _SUMMARY)

    def _heard_nothing(self) -> None:
        self._empty = True
        self._heard += 1

    def _add(self, item: fields.Object, around: _Around) -> None:
        self._heard += 1
        place = fields.place(item)
        path = place.path or around.path or self._only_path
        title, message = " ".join(fields.said(item, fields.TITLE).split()), _message(item)
        if not path or not (message or title):
            self.unusable += 1
            return
        category = fields.category(item)
        finding = RawFinding(
            path=path,
            line=place.line,
            end_line=place.end_line,
            column=place.column,
            side=fields.side(fields.first(item, fields.SIDE)),
            title=title[:_MAX_TITLE] if message else "",
            message=message or title,
            severity=fields.severity(item) or around.severity,
            category=around.category if category == "other" else category,
            confidence=fields.confidence(fields.first(item, fields.CONFIDENCE)),
            quote=fields.quote(item),
            suggestion=fields.suggestion(item),
            rule=fields.rule(item),
        )
        said_before = (path, finding.side, place.line, place.end_line, " ".join(finding.message.lower().split()))
        self.findings.setdefault(said_before, finding)


def _message(item: fields.Object) -> str:
    message, advice = fields.said(item, fields.MESSAGE), fields.advice(item)
    return f"{message}\n\n{advice}" if message and advice and advice not in message else message


def _is_finding(item: fields.Object, around: _Around) -> bool:
    """Whether an object is a finding rather than something around findings."""
    has_line = fields.first(item, fields.LINE) is not None
    message, lists = fields.said(item, fields.MESSAGE), [item[name] for name in LISTS if name in item]
    if any(isinstance(inside, list | dict) and (inside or not (has_line and message)) for inside in lists):
        return False
    if not message and not ((has_line or around.listed) and fields.said(item, fields.TITLE)):
        return False
    return has_line or bool(around.path) or around.listed or fields.first(item, fields.PATH) is not None


def _own_path(item: fields.Object) -> str:
    """The path that a group of findings names, as in {"path": "a.py", "issues": […]}."""
    return fields.place({name: item[name] for name in fields.PATH if isinstance(item.get(name), str)}).path


def _within(around: _Around, raw_key: str, key: str) -> _Around:
    """What a key adds: {"src/a.py": […]}, {"critical": […]}, {"findings": {"security": […]}}."""
    if key in LISTS:
        return replace(around, listed=True)
    looks_like_path = "." in raw_key.rpartition("/")[2] and " " not in raw_key.strip() and "\n" not in raw_key
    return replace(
        around,
        path=raw_key.strip() if looks_like_path or "/" in raw_key else around.path,
        severity=fields.severity_word(key.replace("_", " ")) or around.severity,
        category=_GROUPS.get(key, around.category),
    )


def _ids(covered: list[Json] | dict[str, Json] | str) -> list[str]:
    """Hunk ids from a list, a mapping of id to whether, or text with one per line or comma."""
    if isinstance(covered, str):
        covered = list(covered.replace("\n", ",").split(","))
    elif isinstance(covered, dict):
        covered = [name for name, whether in covered.items() if whether]
    ids = (_id(entry) for entry in covered)
    return [name for name in ids if name]


def _id(entry: Json) -> str:
    if isinstance(entry, dict):
        return fields.said(entry, ("id", "hunk", "hunk_id", "path"))
    return fields.text(entry).strip()
