"""What tests of Gitea and Forgejo say over and over: drafts, posting them, reading what stands there."""

from __future__ import annotations

from typing import Any

from loom.core.finding import Severity
from loom.core.marker import Known, Marker, encode
from loom.platforms.base import Platform
from loom.platforms.values import Anchor, Draft, Thread
from support.forge.core import Pull
from support.forge.rig import Rig


def marker(fingerprint: str = "f" * 16, kind: str = "finding") -> str:
    known = (Known(fingerprint=fingerprint, severity=Severity.WARNING, path="app.py", line=10),)
    return encode(Marker(kind=kind, head="h" * 40, known=known), repo="octo/demo", number=1)


def draft(line: int | None = 10, *, n: int = 1, side: str = "new", path: str = "app.py", **more: Any) -> Draft:
    fingerprint = f"{n:016x}"
    anchor = Anchor(path=path, side=side, line=line, start_line=more.pop("start", None), kind="added")
    return Draft(fingerprint=fingerprint, anchor=anchor, body=f"Finding {n}.", marker=marker(fingerprint), **more)


def post(it: Rig, pull: Pull, *drafts: Draft, body: str = "", verdict: str = "comment", **more: Any) -> Any:
    async def use(platform: Platform) -> Any:
        return await platform.post_review(await platform.pull_request(), drafts, body, verdict)

    return it.run(pull, use, **more)


def threads(it: Rig, pull: Pull, **more: Any) -> tuple[Thread, ...]:
    async def use(platform: Platform) -> tuple[Thread, ...]:
        return await platform.threads(await platform.pull_request())

    return it.run(pull, use, **more)


def inline(found: tuple[Thread, ...]) -> list[Thread]:
    return [thread for thread in found if thread.path is not None]


def spots(it: Rig, pull: Pull) -> list[tuple[str, str, int | None]]:
    return [(talk.path, talk.side, talk.line) for talk in it.forge.talks_of(pull.number)]
