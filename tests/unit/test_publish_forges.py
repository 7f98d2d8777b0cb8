"""A plan executed by the real adapters on every fake forge: what stands there afterwards, and what it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.rig import CHANGE, FAKES, Rig, rig, there
from support.posting import claim, reviewed
from support.results import MODEL

from loom.config.schema import Output
from loom.core.change import ChangeRef
from loom.core.diff import FileChange
from loom.core.finding import Suggestion
from loom.core.marker import Seal
from loom.core.result import ResultFile, ResultHunk
from loom.engine.comment_text import Manners
from loom.engine.posting import decide
from loom.engine.publish import Posting, Published, publish
from loom.engine.recall import recall
from loom.outputs.comment import render
from loom.platforms.base import Cap, Platform

FOUND = (
    claim(10, path="app.py", quote="changed 10", suggestion=Suggestion(10, 10, "better 10", committable=True)),
    claim(11, path="app.py", end_line=12, quote="added 10b"),
    claim(30, path="app.py", side="old", quote="line 30"),
    claim(1, path="new file.py", quote="import os"),
    claim(8, path="app.py", line=8, end_line=8, fingerprint="8" * 16),
    claim(3, path="elsewhere.py", anchor="none"),
)


@pytest.fixture(params=[name for name in FAKES if there(name)])
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with rig(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def pull(forge: Rig) -> Pull:
    forge.forge.add_user("alice", "write")
    return forge.forge.open_pull(CHANGE, author="alice")


def as_result(file: FileChange) -> ResultFile:
    hunks = tuple(
        ResultHunk(
            old_start=h.old_start,
            new_start=h.new_start,
            section=h.section,
            lines=tuple((line.kind, line.text) for line in h.lines()),
        )
        for h in file.hunks
    )
    return ResultFile(
        path=file.path, old_path=file.old_path, status=file.status, added=file.added, deleted=file.deleted,
        binary=file.binary, reviewed=True, reason=None, commentable="", hunks=hunks,
    )  # fmt: skip


def post(
    forge: Rig, pull: Pull, findings: Any, output: Output | None = None, **changes: Any
) -> tuple[Published, int, Any]:
    """Decide and publish as a job would; (published, requests since the pull request was read, capabilities)."""
    seal = Seal(repo=forge.forge.name, number=pull.number)

    async def go(platform: Platform) -> tuple[Published, int, Any]:
        pr = await platform.pull_request()
        diff = await platform.diff(pr)
        threads = await platform.threads(pr)
        access = {who: await platform.access_of(who) for who in sorted(recall(threads, seal).actors)}
        ref = ChangeRef("pr", platform=forge.name, repo=forge.forge.name, number=pull.number, head_sha=pr.head_sha)
        review = reviewed(*findings, change=ref, files=tuple(map(as_result, diff.files)), pipelines=(MODEL,), **changes)
        manners = Manners(gitlab=forge.name == "gitlab")
        plan = decide(
            review,
            pr,
            threads,
            profile=platform.profile,
            output=output or Output(),
            seal=seal,
            access=access,
            manners=manners,
        )
        before = len(forge.server.journal)
        published = await publish(plan, platform, pr, Posting(seal=seal, summarise=render, manners=manners))
        return published, len(forge.server.journal) - before, platform.profile.caps

    return forge.run(pull, go)


def bodies(forge: Rig, pull: Pull, kind: str) -> list[str]:
    said = forge.forge.inline(pull.number) if kind == "inline" else forge.forge.general(pull.number)
    return [one.body for one in said if "<!-- loom:1:" in one.body]


def test_everything_that_was_found_stands_on_the_forge_once(forge: Rig, pull: Pull) -> None:
    published, _, _ = post(forge, pull, FOUND)
    where = {p.fingerprint: p.where for p in published.placements}
    assert published.delivered is True, published.notices
    assert sorted(where) == sorted(f.fingerprint for f in FOUND)
    assert where[FOUND[-1].fingerprint] == "summary"
    inline = [f for f in FOUND if where[f.fingerprint] in ("inline", "inline_single", "file")]
    assert len(inline) == 5, published.placements
    assert len(bodies(forge, pull, "inline")) == 5
    for finding in inline:
        assert sum(finding.title in body for body in bodies(forge, pull, "inline")) == 1
    [summary] = bodies(forge, pull, "general")
    assert all(finding.title in summary for finding in FOUND)


def test_a_second_run_with_nothing_new_writes_nothing(forge: Rig, pull: Pull) -> None:
    post(forge, pull, FOUND)
    published, requests, _ = post(forge, pull, FOUND, timings_ms={"total": 77_000})
    assert requests == 0
    assert {p.where for p in published.placements} == {"deduped", "summary"}
    assert published.delivered is True


def test_what_is_fixed_is_settled_and_what_comes_back_is_told_again(forge: Rig, pull: Pull) -> None:
    post(forge, pull, FOUND[:2])
    forge.forge.push(pull, {"more.txt": "x\n"})
    published, _, caps = post(forge, pull, FOUND[1:2])
    assert published.delivered is True, published.notices
    talks = [t for t in forge.forge.talks_of(pull.number) if t.path]
    if Cap.RESOLVE in caps:
        assert sorted(t.resolved for t in talks) == [False, True]
    else:
        assert sum("✅ **Fixed" in body for body in bodies(forge, pull, "inline")) == 1
    assert post(forge, pull, FOUND[1:2])[1] == 0
    forge.forge.push(pull, {"more.txt": "y\n"})
    published, _, _ = post(forge, pull, FOUND[:2])
    assert sum(p.where == "inline" for p in published.placements) == 1


def test_two_runs_that_read_the_same_state_leave_one_of_everything(forge: Rig, pull: Pull) -> None:
    seal = Seal(repo=forge.forge.name, number=pull.number)

    async def go(platform: Platform) -> None:
        pr = await platform.pull_request()
        files = tuple(map(as_result, (await platform.diff(pr)).files))
        review = reviewed(*FOUND, files=files)
        plan = decide(
            review, pr, await platform.threads(pr), profile=platform.profile, output=Output(), seal=seal, access={}
        )
        for _ in range(2):
            await publish(plan, platform, pr, Posting(seal=seal, summarise=render))

    forge.run(pull, go)
    assert len(bodies(forge, pull, "general")) == 1
    assert len(bodies(forge, pull, "inline")) == 5


def test_a_reading_token_loses_nothing_and_says_so(forge: Rig, pull: Pull) -> None:
    seal = Seal(repo=forge.forge.name, number=pull.number)

    async def go(platform: Platform) -> Published:
        pr = await platform.pull_request()
        files = tuple(map(as_result, (await platform.diff(pr)).files))
        plan = decide(
            reviewed(*FOUND, files=files), pr, (), profile=platform.profile, output=Output(), seal=seal, access={}
        )
        return await publish(plan, platform, pr, Posting(seal=seal, summarise=render))

    published = forge.run(pull, go, token="reading")
    assert {p.where for p in published.placements} <= {"annotation", "log"}
    assert published.delivered is False
    assert published.result.outcome.exit_code == 4
    assert any(notice.hint for notice in published.notices)
    assert bodies(forge, pull, "inline") == bodies(forge, pull, "general") == []


def test_thirty_findings_on_github_take_seven_requests(tmp_path: Path) -> None:
    with rig("github", tmp_path) as github:
        lines = "".join(f"line {n} = {n}\n" for n in range(1, 60))
        pull = github.forge.open_pull({"big.py": lines})
        many = [claim(n, path="big.py") for n in range(1, 31)]
        output = Output(max_comments=30, max_comments_per_file=30)
        published, requests, _ = post(github, pull, many, output=output)
        assert {p.where for p in published.placements} == {"inline"}
        assert requests <= 7
        assert post(github, pull, many, output=output)[1] == 0


TROUBLE = {
    "502": Fault(method="POST", status=502),
    "403": Fault(method="POST", status=403),
    "acted, then the connection was cut": Fault("reset", method="POST", acted=True),
    "half an answer": Fault("truncate", method="POST"),
}


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("trouble", TROUBLE)
def test_whatever_a_write_is_answered_nothing_is_lost_and_nothing_said_twice(
    forge: Rig, pull: Pull, trouble: str, nth: int
) -> None:
    fault = replace(TROUBLE[trouble], path=r"comments|reviews|notes|discussions|statuses|check-runs", nth=nth)
    forge.server.faults.add(fault)
    published, _, _ = post(forge, pull, FOUND)
    assert sorted(p.fingerprint for p in published.placements) == sorted(f.fingerprint for f in FOUND)
    [summary] = bodies(forge, pull, "general") or [""]
    for place in published.placements:
        said = sum(f"`{place.fingerprint}`" in body for body in bodies(forge, pull, "inline"))
        assert said == (place.where in ("inline", "inline_single", "file")), place
        assert place.where != "summary" or place.fingerprint in summary or FOUND[-1].title in summary
    forge.server.faults.clear()
    published, _, _ = post(forge, pull, FOUND)
    assert published.delivered is True
    assert len(bodies(forge, pull, "general")) == 1
    inline = bodies(forge, pull, "inline")
    assert all(sum(f"`{f.fingerprint}`" in body for body in inline) == 1 for f in FOUND[:-1])
