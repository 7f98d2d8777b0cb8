"""What can go wrong between a client and a forge, and when: at the n-th request that matches."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal["answer", "hang", "reset", "truncate", "call"]


@dataclass(slots=True)
class Fault:
    """One trouble.

    how       answer: `status`, `headers`, `body`; hang: no answer until the server stops; reset: the connection is cut;
              truncate: half of the answer; call: `call()`, and then the request is served as usual
    acted     whether the request is carried out before (`hang`, `reset`, `answer`); `truncate` always has
    """

    how: How = "answer"
    method: str = r".*"
    path: str = r".*"
    """A regular expression, searched for in the path with its query."""
    nth: int = 1
    times: int = 1
    """How many requests from the n-th on; 0: all of them."""
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """JSON value, or a text for an HTML page; None: what the platform says with this status."""
    acted: bool = False
    call: Callable[[], object] = lambda: None
    seen: int = 0
    struck: int = 0

    def meets(self, method: str, path: str) -> bool:
        """Whether this request is the one. Counts."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        hit = self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)
        self.struck += hit
        return hit


class Faults:
    """The troubles in force."""

    def __init__(self) -> None:
        self.all: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """From now on."""
        with self._lock:
            self.all.append(fault)
        return fault

    def clear(self) -> None:
        """No trouble any more."""
        with self._lock:
            self.all.clear()

    def of(self, method: str, path: str) -> Fault | None:
        """The first trouble that this request meets; every one counts it."""
        with self._lock:
            struck = [fault for fault in self.all if fault.meets(method, path)]
        return struck[0] if struck else None
