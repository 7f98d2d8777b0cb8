"""What Loom says on stderr: the log, as text or JSON lines, and errors as one message with what to do about it.

Every text on its way out has its secrets masked first and is then made safe for a terminal and a CI log.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, TextIO

from loom.core.errors import LoomError
from loom.infra.text import to_terminal

Format = Literal["text", "json"]
Mask = Callable[[str], str]

NAME: Final = "loom"
TRACEBACKS: Final = 2
"""From this verbosity on (`-vv`) an error shows where in the code it happened."""

_LEVELS: Mapping[int, int] = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
_STANDARD = frozenset(vars(logging.makeLogRecord({})))


def logger(part: str) -> logging.Logger:
    """The logger of a part of Loom, below the one that `configure` sets up."""
    return logging.getLogger(f"{NAME}.{part}")


def configure(
    stream: TextIO, *, form: Format = "text", verbosity: int = 0, mask: Mask = str
) -> logging.StreamHandler[TextIO]:
    """Send Loom's log to `stream`. verbosity: -1 errors only (`-q`), 0 warnings, 1 information, 2 all. `mask` takes
    the secrets out of a text. What was configured before is replaced."""
    verbosity = max(-1, min(verbosity, TRACEBACKS))
    handler = logging.StreamHandler(stream)
    handler.setFormatter((_JsonLines if form == "json" else _Lines)(mask, verbosity))
    root = logging.getLogger(NAME)
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[verbosity])
    root.propagate = False
    return handler


def show_error(error: LoomError) -> None:
    """Log an expected failure: `loom: error: message`, its hint on a line below; the traceback at `-vv`."""
    root = logging.getLogger(NAME)
    fields = {"slug": error.slug, "hint": error.hint}
    root.error("%s", error.message, extra=fields, exc_info=error if root.isEnabledFor(logging.DEBUG) else None)


class _Lines(logging.Formatter):
    """`loom: warning: message`; further lines are indented, so that no line starts with words of others."""

    def __init__(self, mask: Mask, verbosity: int) -> None:
        super().__init__()
        self.mask = mask
        self.verbosity = verbosity

    def format(self, record: logging.LogRecord) -> str:
        """The lines of one record."""
        head = f"{NAME}: {record.levelname.lower()}: "
        if self.verbosity >= TRACEBACKS:
            clock = time.strftime("%H:%M:%S", time.gmtime(record.created))
            head = f"{NAME}: {clock}.{int(record.msecs):03} {record.levelname.lower()}: {record.name}: "
        lines = [head + line if not n else f"  {line}" for n, line in enumerate(self._safe(record.getMessage()))]
        if hint := str(getattr(record, "hint", "") or ""):
            lines += [f"  hint: {line}" if not n else f"        {line}" for n, line in enumerate(self._safe(hint))]
        if record.exc_info and self.verbosity >= TRACEBACKS:
            lines += [f"  {line}" for line in self._safe(self.formatException(record.exc_info))]
        return "\n".join(lines)

    def _safe(self, text: str) -> list[str]:
        # Each line by itself: what is no command at the start of a text is one at the start of a line.
        return [to_terminal(line) for line in to_terminal(self.mask(text)).strip("\n").split("\n")]


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the record's own fields."""

    def __init__(self, mask: Mask, verbosity: int) -> None:
        super().__init__()
        self.mask = mask
        self.verbosity = verbosity

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._safe(record.getMessage()),
        }
        own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        said |= {name: self._field(value) for name, value in own.items() if name not in said and value != ""}
        if record.exc_info and self.verbosity >= TRACEBACKS:
            said["traceback"] = self._safe(self.formatException(record.exc_info))
        return json.dumps(said)  # ASCII: whatever reads the log needs no more

    def _field(self, value: object) -> object:
        return value if value is None or isinstance(value, bool | int | float) else self._safe(str(value))

    def _safe(self, text: str) -> str:
        return to_terminal(self.mask(text))
