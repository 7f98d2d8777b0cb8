"""The expected failures of Loom, each with a slug (an anchor in docs/errors.md), a hint and an exit code.

LoomError
├── UsageError        wrong flags or values                                   exit 2
├── SourceError       no repository, no such revision, unreadable diff        exit 2
├── ConfigError       the configuration is wrong; carries every Problem       exit 2
├── TrustError        something untrusted asked for what only trust allows    exit 2
└── UnitError         one pipeline or request failed; never ends the review   (outcome: incomplete)
    ├── ModelError    the model's server failed, refused or babbled
    └── ScriptError   a script, linter or analyzer failed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class LoomError(Exception):
    """An expected failure: what happened (message), what to do next (hint)."""

    exit_code: ClassVar[int] = 2
    default_slug: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", slug: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.slug = slug or self.default_slug


class UsageError(LoomError):
    """A flag or argument that cannot be honoured."""

    default_slug = "usage"


class SourceError(LoomError):
    """The change to review cannot be found or read."""

    default_slug = "source"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration file. Line and column are 1-based; 0 means the place is not known."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(LoomError):
    """The configuration is wrong. `problems` holds every error of the file at once, in file order."""

    default_slug = "config"

    def __init__(self, problems: Iterable[Problem], *, hint: str = "", slug: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems), hint=hint, slug=slug)


class TrustError(LoomError):
    """Untrusted input asked for something only trusted input may decide (docs/security-model.md)."""

    default_slug = "trust"


class UnitError(LoomError):
    """One unit of work failed. The engine turns it into a pipeline outcome; the other units go on."""

    default_slug = "unit"
    exit_code = 3


class ModelError(UnitError):
    """A model gave no usable answer."""

    default_slug = "model"


class ScriptError(UnitError):
    """A script, linter or analyzer gave no usable result."""

    default_slug = "script"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean "x"?' for the nearest known name, or an empty string when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""
