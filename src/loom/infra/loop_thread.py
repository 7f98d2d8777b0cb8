"""An event loop in a thread of its own, for connections that outlive one piece of asynchronous work and are also asked
by code that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines elsewhere. What belongs to one loop (an `infra.net.Network`) is used through here only."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="loom-loop", daemon=True)
        self._thread.start()
        self._begun: set[Future[Any]] = set()  # Any: of whatever is awaited

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin; the result comes later. (Any: what a coroutine yields and takes is the loop's affair.)"""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._begun.add(future)
        future.add_done_callback(self._begun.discard)
        return future

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Begin, and wait for the result; an interrupt ends the work too."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:  # Ctrl-C while waiting: nobody is left to take the result
            future.cancel()
            raise

    def settle(self) -> None:
        """Cancel what was begun here and still runs, and wait until it has ended: before what it uses is closed. What
        it has begun in its turn is for it to end: the HTTP library's tasks do not bear being cancelled from outside."""
        for future in tuple(self._begun):
            future.cancel()

        async def others_have_ended() -> None:
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(others_have_ended(), self._loop).result()

    def close(self) -> None:
        """Cancel what still runs and end the thread. Idempotent."""
        if not self._loop.is_closed():
            self.settle()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
