"""Imports modules in a thread while this process waits: for git at first, for a model's answer later."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterator


def start(*modules: str) -> threading.Thread:
    """Begin to import `modules`, in order; whoever needs one meanwhile waits for it as for any import. A module that
    cannot be imported says so there, not here."""

    def load() -> None:
        for name in modules:
            if not threading.main_thread().is_alive():
                return  # the process is ending: it waits for this thread, and nobody needs the rest
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    thread = threading.Thread(target=load, name="loom-import-ahead")
    thread.start()
    return thread


@contextlib.contextmanager
def importing(*modules: str) -> Iterator[None]:
    """Import `modules` while the block runs. Joined at its end, so that two threads never meet in a library's own
    import cycles, where Python would hand out half-initialised modules."""
    thread = start(*modules)
    try:
        yield
    finally:
        thread.join()
