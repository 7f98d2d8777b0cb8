"""Progress: silent, a line a step, or live at the foot of a terminal."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest
from rich.console import Console

from loom.infra import log, progress
from loom.infra.progress import Plain, Progress, Rich, Silent, make


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def a_review(told: Progress, clock: Clock) -> None:
    """Three steps: one still runs, one went well, one failed."""
    told.started("review")
    told.started("security")
    told.started("builtin/secrets")
    clock.now += 0.2
    told.finished("builtin/secrets", "ok")
    told.update("review", tokens=950)
    told.update("review", tokens=12_340, cost=0.0412)
    clock.now += 4
    told.finished("security", "failed", "api.openai.com answered 529\n::error::x \x1b[2J")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logging_to() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    log.configure(stream)
    yield stream
    logging.getLogger(log.NAME).handlers.clear()


@pytest.mark.parametrize(("kind", "member"), [("silent", Silent), ("plain", Plain), ("rich", Rich)])
def test_every_kind_can_be_made_and_used(kind: progress.Kind, member: type, clock: Clock) -> None:
    with make(kind, io.StringIO()) as told:
        assert isinstance(told, member)
        a_review(told, clock)
        told.finished("never started", "ok")


def test_silence_says_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    with make("silent", stream) as told:
        a_review(told, clock)
    assert stream.getvalue() == ""


def test_in_ci_each_step_is_one_line(clock: Clock) -> None:
    stream = io.StringIO()
    with Plain(stream, clock=clock) as told:
        a_review(told, clock)
        told.finished("review", "ok")
    assert stream.getvalue() == (
        "loom: builtin/secrets: ok (0.2 s)\n"
        "loom: security: failed (api.openai.com answered 529 ::error::x <U+001B>[2J, 4.2 s)\n"
        "loom: review: ok (12.3k tokens, $0.041, 4.2 s)\n"
    )


def drawn(told: Rich, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, markup=False, _environ={}).print(told.table())
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def test_a_terminal_shows_what_runs_what_is_done_and_the_totals(clock: Clock) -> None:
    told = Rich(io.StringIO(), colour=False, unicode=True, width=80, clock=clock)
    a_review(told, clock)
    assert drawn(told) == (
        " ⠸  review           4.2 s  12.3k tokens, $0.041\n"
        " ✖  security         4.2 s  api.openai.com answered 529 ::error::x <U+001B>[2J\n"
        " ✔  builtin/secrets  0.2 s\n"
        "    2 of 3 done      4.2 s  12.3k tokens, $0.041\n"
    )


def test_ascii_only_where_the_terminal_can_show_no_more(clock: Clock) -> None:
    told = Rich(io.StringIO(), colour=False, unicode=False, width=80, clock=clock)
    a_review(told, clock)
    assert drawn(told).isascii()


def test_nothing_stays_on_the_screen() -> None:
    stream = io.StringIO()
    with Rich(stream, colour=False, unicode=True, width=80) as told:
        told.started("review")
    assert stream.getvalue().endswith("\x1b[2K")  # the live lines are erased, the cursor is shown again


def test_log_lines_appear_above_and_go_back_to_their_stream(logging_to: io.StringIO) -> None:
    handler = logging.getLogger(log.NAME).handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    with Rich(logging_to, colour=False, unicode=True, width=80) as told:
        told.started("review")
        assert handler.stream is not logging_to
        log.logger("x").warning("a word in between [bold]x[/bold]")
    assert handler.stream is logging_to
    assert "loom: warning: a word in between [bold]x[/bold]\n" in logging_to.getvalue()


def test_a_step_may_report_from_any_thread(clock: Clock) -> None:
    told = Rich(io.StringIO(), colour=False, unicode=True, width=80, clock=clock)
    threads = [threading.Thread(target=a_review, args=(told, clock)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        drawn(told)
    for thread in threads:
        thread.join()
    assert "3 done" in drawn(told)


def test_an_error_inside_is_not_swallowed_and_the_screen_is_clean() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with Rich(stream, colour=False, unicode=True, width=80) as told:
            told.started("review")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "\x1b[?25h" in stream.getvalue()
