"""Drafts and reviews for tests of GitLab: what Loom would post, and what stands there afterwards."""

from __future__ import annotations

from typing import Any

from loom.core.finding import Severity
from loom.core.marker import Known, Marker, Seal
from loom.platforms.base import Platform
from loom.platforms.values import Anchor, Draft, Posted, PullRequest, Thread
from support.forge.core import Pull
from support.forge.rig import Rig


def draft(forge: Rig, pull: Pull, name: str, anchor: Anchor | None = None, suggestion: str | None = None) -> Draft:
    known = Known(fingerprint=name, severity=Severity.WARNING, path="app.py", line=11)
    seal = Seal(repo=forge.forge.name, number=pull.number)
    return Draft(
        fingerprint=name,
        anchor=anchor or Anchor(path="app.py", line=11, kind="added"),
        body=f"**{name}**",
        suggestion=suggestion,
        marker=seal.write(Marker(kind="finding", head=pull.head, known=(known,))),
    )


def context(line: int) -> Anchor:
    """An unchanged line near the top of app.py's change."""
    return Anchor(path="app.py", line=line, old_line=line, kind="context")


NOWHERE = Anchor(path="app.py", line=50, old_line=50, kind="context")
"""A line that is in no hunk."""
RANGE = Anchor(path="app.py", start_line=10, start_kind="added", line=11, kind="added")


def review(forge: Rig, pull: Pull, drafts: list[Draft], verdict: Any = "comment", **more: Any) -> list[Posted]:
    async def go(p: Platform) -> list[Posted]:
        pr = await p.pull_request()
        await p.threads(pr)
        await p.discard_pending(pr)
        return await p.post_review(pr, drafts, "", verdict)

    return forge.run(pull, go, **more)


def said(forge: Rig, pull: Pull) -> list[str]:
    """The names of the findings that stand on the merge request."""
    return sorted(comment.body.partition("\n")[0].strip("*") for comment in forge.forge.inline(pull.number))


def read(forge: Rig, pull: Pull, **more: Any) -> PullRequest:
    return forge.run(pull, lambda p: p.pull_request(), **more)


def threads(forge: Rig, pull: Pull, **more: Any) -> tuple[Thread, ...]:
    async def go(p: Platform) -> tuple[Thread, ...]:
        return await p.threads(await p.pull_request())

    return forge.run(pull, go, **more)
