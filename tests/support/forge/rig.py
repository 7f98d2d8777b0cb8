"""A fake forge, its server, and Loom's own adapter for it, with time under control: what every platform test stands on.

A platform takes part by one row in FAKES.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib
import importlib.util
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from loom.infra.net import Network, Rules, Settings
from loom.infra.retry import Policy
from loom.platforms import make
from loom.platforms.base import Platform
from loom.platforms.http import Setup
from loom.platforms.values import Project, Token
from support.forge.contract import Contract
from support.forge.core import Forge, Pull
from support.forge.server import ForgeServer, Speaks

T = TypeVar("T")

FAKES: Mapping[str, str] = {
    "github": "support.forge.github:GitHubFake",
    "gitlab": "support.forge.gitlab:GitLabFake",
    "gitea": "support.forge.gitea:GiteaFake",
    "forgejo": "support.forge.gitea:ForgejoFake",
}


class Fake(Speaks, Protocol):
    """A platform's own rules over a Forge."""

    forge: Forge
    contract: Contract
    """What its requests and answers are held against."""

    def full_token(self) -> str:
        """A token that may do everything Loom wants."""

    def reading_token(self) -> str:
        """A token that may only read, as a fork's job has."""

    def project(self, url: str) -> Project:
        """Where the project lives when the server stands at `url`."""

    def clone_path(self) -> str:
        """Where git finds the repository: `/owner/name.git`."""


class VirtualTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.delays: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Rig:
    """All of it, for one test."""

    name: str
    forge: Forge
    fake: Any
    server: ForgeServer
    time: VirtualTime = field(default_factory=VirtualTime)
    networks: list[Network] = field(default_factory=list)

    def setup(
        self, pull: Pull | int, *, token: str | None = "full", variable: str = "LOOM_TOKEN", **more: Any
    ) -> Setup:
        """What an adapter is made from. `token`: a value, "full", "reading", or None."""
        value = {"full": self.fake.full_token, "reading": self.fake.reading_token}.get(token or "", lambda: token)()
        policy = Policy(sleep=self.time.sleep, clock=self.time, uniform=lambda low, high: high)
        network = Network(Settings(rules=Rules(), policy=policy))
        self.networks.append(network)
        given: dict[str, Any] = {
            "project": self.fake.project(self.server.url),
            "number": pull if isinstance(pull, int) else pull.number,
            "token": Token(value=value, variable=variable) if value else None,
            "network": network,
            "policy": policy,
            "now": lambda: datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
            "timeout_s": 5.0,
        }
        return Setup(**{**given, **more})

    def run(
        self, pull: Pull | int, use: Callable[[Platform], Coroutine[Any, Any, T]], *, probe: bool = True, **more: Any
    ) -> T:
        """Make the adapter, probe, use it, close it."""

        async def whole() -> T:
            setup = self.setup(pull, **more)
            platform = make(setup)
            try:
                if probe:
                    await platform.probe()
                return await use(platform)
            finally:
                await platform.aclose()
                await setup.network.aclose()

        return asyncio.run(whole())

    def check_contract(self) -> None:
        """Every request, and every answer of the fake's own, against the official description."""
        wrong = self.fake.contract.violations(self.server.journal, self.server.url.removesuffix(self.server.prefix))
        assert not wrong, "\n".join(dict.fromkeys(wrong))


@contextlib.contextmanager
def rig(name: str, root: Path, *, files: Mapping[str, str | bytes] | None = None, **server: Any) -> Iterator[Rig]:
    """A running forge of this platform whose main branch has `files`."""
    module, _, attribute = FAKES[name].partition(":")
    forge = Forge(root)
    forge.commit("main", files if files is not None else BASE)
    fake = getattr(importlib.import_module(module), attribute)(forge)
    with ForgeServer(
        fake, git=(fake.clone_path(), forge.repo.root), git_allowed=lambda t: t in forge.tokens, **server
    ) as up:
        made = Rig(name, forge, fake, up)
        yield made
    made.check_contract()


def there(name: str) -> bool:
    """Whether this platform's fake can be had."""
    return importlib.util.find_spec(FAKES[name].partition(":")[0]) is not None


BASE: Mapping[str, str | bytes] = {
    "app.py": "".join(f"line {n}\n" for n in range(1, 61)),
    "lib/util.py": "def f():\n    return 1\n",
    "old.txt": "one\ntwo\nthree\n",
    "logo.png": b"\x89PNG\x00\x01",
}
"""What main begins with."""

CHANGE: Mapping[str, str | bytes | None] = {
    "app.py": "".join("changed 10\nadded 10b\n" if n == 10 else "" if n == 30 else f"line {n}\n" for n in range(1, 61)),
    "new file.py": "import os\nos.system(input())\n",
    "old.txt": None,
}
"""What the usual pull request changes: line 10 of app.py (and one more after it), line 30 is gone, a new file, a
deleted one. New-side lines of app.py in the diff: 7-14 and 28-33; old side: 7-13 and 27-33."""
