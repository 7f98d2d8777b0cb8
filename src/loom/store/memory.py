"""What is not to be said again: suppressions, and the strict reading of `.loom/memory.yaml`. Who may suppress what is
decided in `engine.suppress`; the user's own list is kept by `store.state`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from loom.core.errors import ConfigError, Problem, did_you_mean
from loom.core.finding import Severity
from loom.infra import yaml
from loom.infra.yaml import Document, Path, Value

FORMAT = "the format of this file: docs/noise.md"
VERSION = 1
MAX_TEXT = 1_000
"""Characters of a reason. It is shown wherever the suppression is."""

_TOP_KEYS = ("version", "suppressions")
_KEYS = ("fingerprint", "rule", "paths", "reason", "author", "added", "expires", "severity")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One thing that is not to be said again: a finding by its fingerprint, or a rule, perhaps in some paths only."""

    source: Literal["memory", "personal"]
    """The team's file, or the user's own list."""
    where: str
    """`.loom/memory.yaml:12`; for the user's own list the command that shows it."""
    reason: str
    """Empty only in the user's own list."""
    fingerprint: str | None = None
    """16 hex digits; exactly one of this and `rule` is given."""
    rule: str | None = None
    paths: tuple[str, ...] = ()
    """Globs in gitignore style that limit it; empty: everywhere."""
    author: str = ""
    added: date | None = None
    expires: date | None = None
    """The last day on which it holds; None: for good."""
    severity: Severity | None = None
    """The worst that it silences: what became worse since is said again. None: any."""
    about: str = ""
    """What it was about when it was made, for lists; empty in the team's file."""

    def expired(self, today: date) -> bool:
        """Whether it no longer holds."""
        return self.expires is not None and self.expires < today

    @property
    def name(self) -> str:
        """What it suppresses, for messages."""
        return self.fingerprint or self.rule or ""


def read(data: bytes, *, file: str) -> tuple[Suppression, ...]:
    """The suppressions of a memory file, in its order. Raises ConfigError with everything that is wrong with it."""
    try:
        return _Reader(yaml.load(data, file=file)).suppressions()
    except ConfigError as error:
        raise ConfigError(error.problems, hint=error.hint or FORMAT) from error


class _Reader:
    """Reads one document; one use."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[Problem] = []

    def suppressions(self) -> tuple[Suppression, ...]:
        top = self._document.value
        if top is None:
            return ()
        if not isinstance(top, dict):
            raise ConfigError([self._document.problem((), "expected `version: 1` and `suppressions:`")])
        self._known((), top, _TOP_KEYS)
        version = top.get("version")
        if version != VERSION or isinstance(version, bool):
            found = "is missing" if "version" not in top else "is not one that this Loom reads"
            self._note(("version",), f"the version {found}; expected {VERSION}")
        items = top.get("suppressions")
        items = [] if items is None else items
        if not isinstance(items, list):
            self._note(("suppressions",), "expected a list")
            items = []
        entries = tuple(filter(None, (self._entry(("suppressions", n), item) for n, item in enumerate(items))))
        if self._problems:
            raise ConfigError(self._problems)
        return entries

    def _entry(self, at: Path, item: Value) -> Suppression | None:
        if not isinstance(item, dict):
            self._note(at, f"expected a mapping with some of {', '.join(_KEYS)}")
            return None
        self._known(at, item, _KEYS)
        if ("fingerprint" in item) == ("rule" in item):
            self._note(at, "an entry has one of `fingerprint` and `rule`")
        if "paths" in item and "rule" not in item:
            self._note((*at, "paths"), "`paths` limit a `rule`; a fingerprint is about one place already")
        if "reason" not in item:
            self._note(at, "the `reason` is missing: why is this not worth saying?")
        return Suppression(
            source="memory",
            where=f"{self._document.file}:{self._document.place(at)[0]}",
            fingerprint=self._fingerprint(at, item),
            rule=self._text(at, item, "rule"),
            paths=tuple(self._paths(at, item)),
            reason=self._text(at, item, "reason") or "",
            author=self._text(at, item, "author") or "",
            added=self._date(at, item, "added"),
            expires=self._date(at, item, "expires"),
            severity=self._severity(at, item),
        )

    def _text(self, at: Path, item: Mapping[str, Value], key: str) -> str | None:
        if key not in item:
            return None
        value = item[key]
        if not isinstance(value, str) or not value.strip():
            self._note((*at, key), "expected text (in quotes, where YAML would read it as something else)")
            return None
        if len(value) > MAX_TEXT:
            self._note((*at, key), f"{len(value):,} characters; at most {MAX_TEXT:,} are allowed")
        return value.strip()

    def _fingerprint(self, at: Path, item: Mapping[str, Value]) -> str | None:
        if "fingerprint" not in item:
            return None
        value = item["fingerprint"]
        if not isinstance(value, str) or not _FINGERPRINT.fullmatch(value):
            self._note((*at, "fingerprint"), "expected 16 hex digits, in quotes")
            return None
        return value

    def _paths(self, at: Path, item: Mapping[str, Value]) -> Iterator[str]:
        value = item.get("paths", [])
        if not isinstance(value, list) or ("paths" in item and not value):
            self._note((*at, "paths"), 'expected a list of globs, such as ["tests/**"]; without it: everywhere')
            return
        for n, glob in enumerate(value):
            if isinstance(glob, str) and glob.strip("!/ "):
                yield glob
            else:
                self._note((*at, "paths", n), 'expected a glob, such as "tests/**"')

    def _date(self, at: Path, item: Mapping[str, Value], key: str) -> date | None:
        if key not in item:
            return None
        value = item[key]
        try:
            if isinstance(value, str) and _DATE.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass  # 2026-02-30: told below, like any other text
        self._note((*at, key), "expected a date such as 2026-12-31")
        return None

    def _severity(self, at: Path, item: Mapping[str, Value]) -> Severity | None:
        if "severity" not in item:
            return None
        value, names = item["severity"], [severity.value for severity in Severity]
        if isinstance(value, str) and value in names:
            return Severity(value)
        near = did_you_mean(value, names) if isinstance(value, str) else ""
        self._note((*at, "severity"), f"expected one of {', '.join(names)}.{near}")
        return None

    def _known(self, at: Path, item: Mapping[str, Value], known: tuple[str, ...]) -> None:
        for key in item:
            if key not in known:
                near = did_you_mean(key, known) or f" Allowed: {', '.join(known)}"
                self._problems.append(self._document.problem((*at, key), f"unknown key.{near}", at_key=True))

    def _note(self, path: Path, message: str) -> None:
        if len(self._problems) < yaml.MAX_PROBLEMS:
            self._problems.append(self._document.problem(path, message))
