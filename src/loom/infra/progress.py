"""What is running, what is done, tokens and cost so far: on stderr, live on a terminal, one line a step elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TextIO

from loom.infra.log import NAME
from loom.infra.text import one_line, to_terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Kind = Literal["silent", "plain", "rich"]
Clock = Callable[[], float]

_NAME_LIMIT = 40


class Progress(Protocol):
    """Told by the engine how its steps go; safe to call from several threads. A context manager: what is drawn
    between enter and exit is gone afterwards."""

    def started(self, name: str) -> None:
        """A step begins."""

    def update(self, name: str, *, tokens: int | None = None, cost: float | None = None) -> None:
        """Totals of the step so far; None leaves one as it is. cost: USD."""

    def finished(self, name: str, status: str, reason: str | None = None) -> None:
        """A step has ended. status: ok, partial, failed, skipped; `reason` when it is not ok."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make(kind: Kind, stream: TextIO, *, colour: bool = False, unicode: bool = True, width: int = 80) -> Progress:
    """The progress of that kind on `stream` (stderr)."""
    if kind == "silent":
        return Silent()
    if kind == "plain":
        return Plain(stream)
    return Rich(stream, colour=colour, unicode=unicode, width=width)


class Silent:
    """Says nothing."""

    def started(self, name: str) -> None:
        """See Progress.started."""

    def update(self, name: str, *, tokens: int | None = None, cost: float | None = None) -> None:
        """See Progress.update."""

    def finished(self, name: str, status: str, reason: str | None = None) -> None:
        """See Progress.finished."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@dataclass(slots=True)
class _Step:
    """How one step goes. Changed under its owner's lock."""

    name: str
    since: float
    tokens: int = 0
    cost: float | None = None
    status: str | None = None
    """None while it runs."""
    reason: str = ""
    took: float = 0.0

    def figures(self) -> str:
        """`12.3k tokens, $0.02`; what is not known is left out."""
        parts = [f"{_short(self.tokens)} tokens"] if self.tokens else []
        parts += [_dollars(self.cost)] if self.cost is not None else []
        return ", ".join(parts)


class _Steps:
    """The steps by name, in the order they began. Members share it by inheritance."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = RLock()
        self.steps: dict[str, _Step] = {}

    def started(self, name: str) -> None:
        """See Progress.started."""
        with self.lock:
            self.steps[name] = _Step(_shown(name), self.clock())

    def update(self, name: str, *, tokens: int | None = None, cost: float | None = None) -> None:
        """See Progress.update."""
        with self.lock:
            step = self._step(name)
            step.tokens = step.tokens if tokens is None else tokens
            step.cost = step.cost if cost is None else cost

    def finished(self, name: str, status: str, reason: str | None = None) -> None:
        """See Progress.finished."""
        with self.lock:
            step = self._step(name)
            step.status, step.took = status, self.clock() - step.since
            step.reason = to_terminal(one_line(reason or "", 200))

    def _step(self, name: str) -> _Step:
        return self.steps.setdefault(name, _Step(_shown(name), self.clock()))


class Plain(_Steps):
    """A line when a step has ended, for CI logs and pipes."""

    def __init__(self, stream: TextIO, *, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self.stream = stream

    def finished(self, name: str, status: str, reason: str | None = None) -> None:
        """See Progress.finished."""
        with self.lock:
            super().finished(name, status, reason)
            step = self.steps[name]
            parts = [step.reason, step.figures(), f"{step.took:.1f} s"]
            self.stream.write(f"{NAME}: {step.name}: {status} ({', '.join(part for part in parts if part)})\n")
            self.stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


_MARKS = {"ok": ("✔", "green"), "partial": ("◐", "magenta"), "failed": ("✖", "bold red"), "skipped": ("○", "dim")}
_ASCII_MARKS = {"ok": "+", "partial": "~", "failed": "x", "skipped": "-"}


class Rich(_Steps):
    """A live table of steps at the foot of the terminal. Log lines that come meanwhile appear above it."""

    def __init__(
        self, stream: TextIO, *, colour: bool, unicode: bool, width: int, clock: Clock = time.monotonic
    ) -> None:
        super().__init__(clock)
        from rich.console import Console
        from rich.live import Live

        self.unicode = unicode
        self.began = clock()
        self.stream = stream
        # _environ: rich would read COLUMNS, NO_COLOR and TERM by itself; that has been decided by then.
        self.console: Console = Console(
            file=stream,
            width=width,
            color_system="standard" if colour else None,
            no_color=not colour,
            force_terminal=True,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            _environ={},
        )
        self.live = Live(
            console=self.console,
            get_renderable=self.table,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.borrowed: list[logging.StreamHandler[TextIO]] = []

    def __enter__(self) -> Self:
        from rich.file_proxy import FileProxy

        for handler in logging.getLogger(NAME).handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self.stream:
                handler.setStream(FileProxy(self.console, self.stream))
                self.borrowed.append(handler)
        self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()
        for handler in self.borrowed:
            handler.setStream(self.stream)
        self.borrowed.clear()

    def table(self) -> Table:
        """What stands on the screen now."""
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 0))
        for justify in ("left", "left", "right", "left"):
            table.add_column(justify="right" if justify == "right" else "left", no_wrap=True)
        with self.lock:
            now = self.clock()
            for step in self.steps.values():
                table.add_row(*self._row(step, now))
            table.add_row(*self._totals(now))
        return table

    def _row(self, step: _Step, now: float) -> tuple[Text, ...]:
        from rich.text import Text

        running = step.status is None
        mark, style = self._mark(step, now)
        seconds = now - step.since if running else step.took
        said = step.figures() if running or step.status == "ok" else step.reason or step.status or ""
        return (
            Text(f" {mark}", style),
            Text(step.name, "bold" if running else ""),
            Text(f"{seconds:.1f} s", "dim"),
            Text(said, "dim"),
        )

    def _mark(self, step: _Step, now: float) -> tuple[str, str]:
        if step.status is None:
            frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if self.unicode else "|/-\\"
            return frames[int((now - step.since) * 8) % len(frames)], "cyan"
        mark, style = _MARKS.get(step.status, _MARKS["skipped"])
        return (mark if self.unicode else _ASCII_MARKS.get(step.status, "-")), style

    def _totals(self, now: float) -> tuple[Text, ...]:
        from rich.text import Text

        done = sum(1 for step in self.steps.values() if step.status is not None)
        costs = [step.cost for step in self.steps.values() if step.cost is not None]
        all_of_it = _Step(
            "", self.began, sum(step.tokens for step in self.steps.values()), sum(costs) if costs else None
        )
        return (
            Text(""),
            Text(f"{done} of {len(self.steps)} done"),
            Text(f"{now - self.began:.1f} s", "dim"),
            Text(all_of_it.figures()),
        )


def _shown(name: str) -> str:
    return to_terminal(one_line(name, _NAME_LIMIT))


def _short(tokens: int) -> str:
    return str(tokens) if tokens < 1_000 else f"{tokens / 1_000:.1f}k"


def _dollars(usd: float) -> str:
    return f"${usd:.2f}" if usd >= 0.1 or usd == 0 else f"${usd:.2g}" if usd >= 0.0001 else "<$0.0001"
