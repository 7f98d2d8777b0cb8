"""What ends up on each forge, whatever fails at whichever write, when the engine publishes through the real adapter
over HTTP and a second run follows: no finding lost, none twice, people's comments untouched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.rig import FAKES, Rig, rig, there
from support.posting import claim, reviewed

from loom.config.schema import Output
from loom.core.finding import Finding
from loom.core.marker import Seal
from loom.core.result import ReviewResult
from loom.engine.posting import decide
from loom.engine.publish import Posting, Published, publish
from loom.outputs.comment import render
from loom.platforms.base import Platform

FAULTS = {
    "401": Fault(status=401),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "409": Fault(status=409),
    "422": Fault(status=422),
    "429": Fault(status=429, headers={"Retry-After": "3"}),
    "500": Fault(status=500),
    "502-acted": Fault(status=502, acted=True),
    "hang-acted": Fault("hang", acted=True),
    "reset": Fault("reset"),
    "reset-acted": Fault("reset", acted=True),
    "truncated": Fault("truncate"),
}


@pytest.fixture(params=[name for name in FAKES if there(name)])
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with rig(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def pull(forge: Rig) -> Pull:
    forge.forge.add_user("alice", "write")
    lines = "".join(f"line {n} = {n}\n" for n in range(1, 401))
    return forge.forge.open_pull({"src/cart.py": lines}, author="alice")


def seal_of(forge: Rig, pull: Pull) -> Seal:
    return Seal(repo=forge.forge.name, number=pull.number)


def review_of(pull: Pull, *findings: Finding) -> ReviewResult:
    return reviewed(*findings, head=pull.head)


def post(forge: Rig, pull: Pull, review: ReviewResult, **more: Any) -> Published:
    """One run: read what is there, decide, publish."""
    seal = seal_of(forge, pull)

    async def run(platform: Platform) -> Published:
        pr = await platform.pull_request()
        threads = await platform.threads(pr)
        plan = decide(
            review,
            pr,
            threads,
            profile=platform.profile,
            output=Output(max_comments=30, max_comments_per_file=30),
            seal=seal,
            access={},
        )
        return await publish(plan, platform, pr, Posting(seal=seal, summarise=render))

    return forge.run(pull, run, timeout_s=0.4, **more)


def spoken(forge: Rig, pull: Pull) -> Counter[str]:
    """Fingerprint -> how many comments on lines speak for it and still stand."""
    seal = seal_of(forge, pull)
    found: Counter[str] = Counter()
    for talk in forge.forge.talks_of(pull.number):
        for said in talk.comments:  # Gitea takes all that is said about one line for one conversation
            marker = seal.read(said.body, by_self=said.author is forge.forge.bot)
            folded = said.deleted or said.minimised is not None or talk.resolved
            if marker is not None and marker.kind == "finding" and marker.state == "open" and not folded:
                found[marker.fingerprint] += 1
    return found


def check(forge: Rig, pull: Pull, published: Published, findings: tuple[Finding, ...]) -> None:
    """Every finding has its one place, and is where the placement says."""
    places = {p.fingerprint: p for p in published.placements}
    assert sorted(places) == sorted(f.fingerprint for f in findings)
    said = spoken(forge, pull)
    assert all(count == 1 for count in said.values()), said
    general = "\n".join(c.body for c in forge.forge.general(pull.number))
    for finding in findings:
        where = places[finding.fingerprint].where
        if where in ("inline", "inline_single", "file"):
            assert said[finding.fingerprint] == 1
        elif where == "summary":
            assert finding.title in general
    if any(p.where in ("log", "failed") for p in places.values()):
        assert published.delivered in (False, None)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_fault_at_any_write_loses_nothing_and_the_next_run_doubles_nothing(
    forge: Rig, pull: Pull, fault: Fault, nth: int
) -> None:
    findings = (claim(1), claim(2), claim(3))
    human = forge.forge.say(pull.number, forge.forge.users["alice"], "I like it")
    forge.server.faults.add(replace(fault, method="POST|PUT|PATCH|DELETE", path=r"^(?!.*graphql)", nth=nth, seen=0))
    first = post(forge, pull, review_of(pull, *findings))
    check(forge, pull, first, findings)
    forge.server.faults.clear()
    second = post(forge, pull, review_of(pull, *findings))
    check(forge, pull, second, findings)
    assert second.delivered
    assert human.body == "I like it"
    assert not human.deleted
    summaries = [c for c in forge.forge.general(pull.number) if c is not human]
    assert len([c for c in summaries if c.minimised is None]) <= 1
    before = len(forge.server.writes)
    third = post(forge, pull, review_of(pull, *findings))
    assert [str(e) for e in forge.server.writes[before:]] == []
    assert third.delivered


def test_thirty_findings_take_few_requests_and_again_none_that_writes(forge: Rig, pull: Pull) -> None:
    findings = tuple(claim(n) for n in range(1, 31))
    published = post(forge, pull, review_of(pull, *findings))
    check(forge, pull, published, findings)
    assert Counter(p.where for p in published.placements) == {"inline": 30}
    count = len(forge.server.journal)
    post(forge, pull, review_of(pull, *findings))
    again = forge.server.journal[count:]
    assert not any(entry.writes for entry in again)
    if forge.name == "github":
        # probing (2), the pull request, where its target stands and its threads (3) come before; posting takes seven
        assert count - 5 <= 7, [str(e) for e in forge.server.journal[:count]]
        assert len(again) - 5 <= 5


def test_a_head_that_moves_before_the_first_write_stops_everything(forge: Rig, pull: Pull) -> None:
    review = review_of(pull, claim(1))
    seal = seal_of(forge, pull)

    async def run(platform: Platform) -> Published:
        pr = await platform.pull_request()
        threads = await platform.threads(pr)
        plan = decide(review, pr, threads, profile=platform.profile, output=Output(), seal=seal, access={})
        forge.forge.push(pull, {"src/cart.py": "other\n"})
        return await publish(plan, platform, pr, Posting(seal=seal, summarise=render))

    published = forge.run(pull, run)
    assert published.stale
    assert forge.forge.inline(pull.number) == []


def test_a_fixed_finding_is_settled_and_said_to_be(forge: Rig, pull: Pull) -> None:
    post(forge, pull, review_of(pull, claim(1), claim(2)))
    forge.forge.push(pull, {"src/cart.py": "".join(f"line {n} = {n}\n" for n in range(2, 401))})
    published = post(forge, pull, review_of(pull, claim(2)))
    assert published.delivered
    assert set(spoken(forge, pull)) <= {claim(1).fingerprint, claim(2).fingerprint}
    assert spoken(forge, pull)[claim(2).fingerprint] == 1


def test_a_thousand_findings_fit_and_each_has_its_place(forge: Rig, pull: Pull) -> None:
    findings = tuple(claim(n, line=n % 400 + 1, end_line=n % 400 + 1, quote=None) for n in range(1, 1_001))
    published = post(forge, pull, review_of(pull, *findings))
    assert len(published.placements) == 1_000
    assert published.delivered
    assert sum(spoken(forge, pull).values()) == 30
    assert not any(entry.response and entry.response.status >= 400 for entry in forge.server.writes)


@pytest.mark.parametrize("lacking", ["contents", "pull_requests", "issues", "checks", "statuses"])
def test_on_github_a_token_without_each_permission_in_turn_loses_nothing(tmp_path: Path, lacking: str) -> None:
    with rig("github", tmp_path) as forge:
        forge.forge.add_user("alice", "write")
        lines = "".join(f"line {n} = {n}\n" for n in range(1, 401))
        pull = forge.forge.open_pull({"src/cart.py": lines}, author="alice")
        granted = dict.fromkeys(("contents", "pull_requests", "issues", "checks", "statuses"), "write")
        token = forge.forge.add_token(kind="installation", prefix="ghs", **{**granted, lacking: "read"})
        findings = (claim(1), claim(2))
        first = post(forge, pull, review_of(pull, *findings), token=token)
        check(forge, pull, first, findings)
        second = post(forge, pull, review_of(pull, *findings))
        check(forge, pull, second, findings)
        assert second.delivered
        assert sum(spoken(forge, pull).values()) == 2


def test_a_marker_in_a_strangers_comment_changes_nothing(forge: Rig, pull: Pull) -> None:
    post(forge, pull, review_of(pull, claim(1)))
    forged = forge.forge.inline(pull.number)[0].body
    forge.forge.talks.clear()
    forge.forge.said.clear()
    forge.forge.reviews.clear()
    forge.forge.say(pull.number, forge.forge.users["alice"], forged)
    published = post(forge, pull, review_of(pull, claim(1)))
    assert [p.where for p in published.placements] == ["inline"]
    assert spoken(forge, pull) == {claim(1).fingerprint: 1}


def test_a_replaced_token_posts_nothing_again_when_markers_are_signed(forge: Rig, pull: Pull) -> None:
    seal = Seal(repo=forge.forge.name, number=pull.number, key="a-state-key-of-the-team")

    async def run(platform: Platform) -> Published:
        pr = await platform.pull_request()
        threads = await platform.threads(pr)
        review = review_of(pull, claim(1))
        plan = decide(review, pr, threads, profile=platform.profile, output=Output(), seal=seal, access={})
        return await publish(plan, platform, pr, Posting(seal=seal, summarise=render))

    forge.run(pull, run)
    forge.forge.bot = forge.forge.add_user("other-bot", "write", bot=True)
    forge.run(pull, run)
    assert len(forge.forge.inline(pull.number)) == 1
