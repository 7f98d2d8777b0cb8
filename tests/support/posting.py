"""A review that is posted: decide, publish, and do both again, on the platform in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loom.config.schema import Output
from loom.core.marker import Seal
from loom.core.result import ResultFile, ResultHunk, ReviewResult
from loom.engine.comment_text import Manners
from loom.engine.posting import decide
from loom.engine.posting_plan import PostingPlan
from loom.engine.publish import Posting, Published, publish
from loom.engine.recall import recall
from loom.outputs.comment import render
from loom.platforms.values import Access, PullRequest
from support.memory_platform import HEAD, REF, MemoryPlatform
from support.results import MODEL, finding, result

SEAL = Seal(repo="acme/shop", number=12)


def long_file(path: str = "src/cart.py", lines: int = 400, **changes: Any) -> ResultFile:
    """A new file with that many lines."""
    hunk = ResultHunk(
        old_start=0, new_start=1, section="", lines=tuple(("+", f"line {n} = {n}") for n in range(1, lines + 1))
    )
    values: dict[str, Any] = {
        "path": path, "old_path": None, "status": "added", "added": lines, "deleted": 0, "binary": False,
        "reviewed": True, "reason": None, "commentable": f"1-{lines}", "hunks": (hunk,),
    }  # fmt: skip
    return ResultFile(**values | changes)


CHANGE = long_file()


def claim(n: int, **changes: Any) -> Any:
    """The n-th of many findings by a model, each about another line and another thing."""
    values: dict[str, Any] = {
        "fingerprint": f"{n:08x}" * 2,
        "line": n,
        "end_line": n,
        "quote": f"line {n} = {n}",
        "title": f"Problem{n} alpha{n} beta{n}",
        "message": f"gamma{n} delta{n} epsilon{n} zeta{n}",
    }
    return finding(**values | changes)


def reviewed(*findings: Any, head: str = HEAD, **changes: Any) -> ReviewResult:
    """A complete review of the pull request with these findings."""
    values: dict[str, Any] = {
        "change": replace(REF, head_sha=head),
        "files": (CHANGE,),
        "findings": tuple(findings),
        "pipelines": (MODEL,),
    }
    return result(**values | changes)


@dataclass
class Desk:
    """A team's settings, and one pull request."""

    platform: MemoryPlatform = field(default_factory=lambda: MemoryPlatform(files=(CHANGE,)))
    output: Output = field(default_factory=lambda: Output(max_comments=20))
    seal: Seal = SEAL
    about: Mapping[str, Any] = field(default_factory=dict)

    def plan(self, review: ReviewResult, **given: Any) -> PostingPlan:
        """What would be posted now."""
        threads = given.pop("threads", None) or self.platform.seen()
        return decide(
            review,
            given.pop("pr", self.platform.now()),
            threads,
            profile=self.platform.profile,
            output=self.output,
            seal=self.seal,
            access=self.access(threads),
            manners=Manners(link_hosts=frozenset({"forge.invalid"})),
            **given,
        )

    def access(self, threads: Any) -> dict[str, Access]:
        """What those may do who settled something."""
        actors = recall(threads, self.seal).actors
        return {who: asyncio.run(self.platform.access_of(who)) for who in sorted(actors)}

    def execute(self, plan: PostingPlan, pr: PullRequest | None = None) -> Published:
        """Carry out a plan."""
        about = Posting(
            seal=self.seal,
            summarise=render,
            manners=Manners(link_hosts=frozenset({"forge.invalid"})),
            **self.about,
        )
        return asyncio.run(publish(plan, self.platform, pr or self.platform.now(), about))

    def post(self, review: ReviewResult) -> Published:
        """Decide and publish."""
        return self.execute(self.plan(review))

    def push(self, head: str) -> None:
        """A new head."""
        self.platform.pr = replace(self.platform.pr, head_sha=head)


def where(published: Published) -> dict[str, str]:
    """Fingerprint -> where."""
    return {p.fingerprint: p.where for p in published.placements}
