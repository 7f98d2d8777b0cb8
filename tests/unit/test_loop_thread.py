"""An event loop in a thread of its own: results and errors come across, and nothing is left running."""

from __future__ import annotations

import asyncio
import threading

import pytest

from loom.infra.loop_thread import LoopThread


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


def test_results_and_errors_come_back_to_the_caller() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with LoopThread() as thread:
        assert thread.call(answer(7)) == 7
        assert [future.result() for future in [thread.start(answer(n)) for n in range(3)]] == [0, 1, 2]
        with pytest.raises(ValueError, match="no"):
            thread.call(fail())


def test_all_work_runs_on_one_loop_and_not_on_the_callers() -> None:
    async def where() -> tuple[int, int]:
        return id(asyncio.get_running_loop()), threading.get_ident()

    with LoopThread() as thread:
        first, second = thread.call(where()), thread.call(where())
    assert first == second
    assert first[1] != threading.get_ident()


def test_it_serves_callers_that_are_inside_another_loop() -> None:
    with LoopThread() as thread:

        async def caller() -> int:
            return thread.call(answer(7))

        assert asyncio.run(caller()) == 7


def test_closing_ends_what_still_runs() -> None:
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    thread = LoopThread()
    future = thread.start(forever())
    thread.call(answer(0))
    thread.close()
    thread.close()
    assert ended.is_set()
    assert future.cancelled()
