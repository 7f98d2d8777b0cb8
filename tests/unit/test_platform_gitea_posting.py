"""Posting reviews on Gitea and Forgejo, which is not one act there: what is left when it fails half-way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.gitea_talk import draft, inline, marker, post, spots, threads
from support.forge.rig import CHANGE, Rig, rig

from loom.platforms.base import DownError, Platform, RejectedError

BOTH = pytest.mark.parametrize("kind", ["gitea", "forgejo"])


@pytest.fixture
def kind() -> str:
    return "gitea"


@pytest.fixture
def it(kind: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(kind, tmp_path) as made:
        yield made


# ---- posting


@BOTH
def test_a_review_is_one_request_on_the_right_lines_and_sides(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    drafts = [
        draft(10),
        draft(28, n=2, side="old"),
        draft(2, n=3, path="new file.py"),
        draft(1, n=4, side="old", path="old.txt"),
    ]
    posted = post(it, pull, *drafts)
    assert [p.ok for p in posted] == [True] * 4
    assert len(it.server.writes) == 1
    assert it.server.writes[0].request.json["commit_id"] == pull.head
    assert all(
        len({"new_position", "old_position"} & c.keys()) == 1 for c in it.server.writes[0].request.json["comments"]
    )
    said = {str(s.id): s.body for s in it.forge.inline(1)}
    assert [said[p.comment_id].splitlines()[0] for p in posted] == [f"Finding {n}." for n in (1, 2, 3, 4)]
    assert [s.body.splitlines()[-1] for s in it.forge.inline(1)] == [f"<!-- {d.marker} -->" for d in drafts]


def test_a_comment_goes_to_the_side_it_is_for(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, draft(10), draft(30, n=2, side="old"))
    assert spots(it, pull) == [("app.py", "new", 10), ("app.py", "old", 30)]


def test_gitea_shows_a_range_on_its_last_line(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, draft(11, start=10))
    assert spots(it, pull) == [("app.py", "new", 11)]
    assert "extra_lines_count" not in it.server.writes[0].request.json["comments"][0]


def test_forgejo_shows_a_range_as_a_range(tmp_path: Path) -> None:
    with rig("forgejo", tmp_path) as it:
        pull = it.forge.open_pull(CHANGE)
        post(it, pull, draft(11, start=10))
        (talk,) = it.forge.talks_of(1)
        assert (talk.start_line, talk.line) == (10, 11)
        (thread,) = inline(threads(it, pull))
        assert (thread.path, thread.line) == ("app.py", 11)


def test_a_comment_on_a_whole_file_is_refused_before_anything_is_sent(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    with pytest.raises(RejectedError, match="whole files"):
        post(it, pull, draft(None))
    assert it.server.writes == []


@BOTH
def test_approving_and_asking_for_changes(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, body="Fine.", verdict="approve")
    post(it, pull, draft(), body="No.", verdict="request_changes")
    assert [r.state for r in it.forge.reviews] == ["APPROVED", "REQUEST_CHANGES"]


def test_approving_ones_own_pull_request_is_refused_with_the_servers_words(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE, author="loom-bot")
    with pytest.raises(RejectedError) as caught:
        post(it, pull, draft(), body="Fine.", verdict="approve")
    assert caught.value.said == "approve your own pull is not allowed"
    assert it.forge.reviews == []


def test_one_line_that_git_cannot_blame_leaves_nothing_behind(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    with pytest.raises(RejectedError) as caught:
        post(it, pull, *(draft(10, n=n) for n in range(1, 20)), draft(5_000, n=20), draft(11, n=21))
    assert caught.value.status == 500
    assert it.forge.reviews == []
    assert it.forge.said == []
    post(it, pull, draft())
    assert len(it.forge.inline(1)) == 1


def test_a_closed_pull_request_refuses_and_keeps_no_drafts(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    pull.open = False
    with pytest.raises(RejectedError, match="closed or merged"):
        post(it, pull, draft())
    assert it.forge.reviews == []


def test_a_500_after_the_review_was_posted_is_no_refusal(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.server.faults.add(Fault(method="POST", path="/reviews$", status=500, acted=True))
    posted = post(it, pull, draft(), draft(11, n=2))
    assert [(p.ok, p.comment_id is not None) for p in posted] == [(True, True), (True, True)]
    assert len(it.forge.inline(1)) == 2


def test_a_refusal_that_cannot_be_cleaned_up_after_stays_uncertain_until_it_can(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    lost = it.server.faults.add(Fault(method="GET", path="/reviews[?]", status=502, nth=2, times=0))

    async def use(platform: Platform) -> None:
        pr = await platform.pull_request()
        with pytest.raises(DownError):
            await platform.post_review(pr, [draft(10), draft(5_000, n=2)], "", "comment")
        assert [len(r.drafts) for r in it.forge.reviews] == [1]
        lost.times = 1  # the server is well again
        await platform.post_single(pr, draft(11, n=3))

    it.run(pull, use)
    assert spots(it, pull) == [("app.py", "new", 11)]


def test_nothing_to_say_is_not_sent(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    assert post(it, pull) == []
    assert it.server.writes == []


@pytest.mark.parametrize("fault", [Fault("reset"), Fault("reset", acted=True), Fault(status=502), Fault("truncate")])
def test_an_answer_that_never_came_is_uncertain_and_the_next_review_starts_clean(it: Rig, fault: Fault) -> None:
    pull = it.forge.open_pull(CHANGE)
    fault.method, fault.path = "POST", "/reviews$"
    it.server.faults.add(fault)

    async def use(platform: Platform) -> list[str]:
        pr = await platform.pull_request()
        with pytest.raises(DownError) as caught:
            await platform.post_review(pr, [draft()], "", "comment")
        assert caught.value.acted
        it.server.journal.clear()
        await platform.post_single(pr, draft(11, n=2))
        return [str(entry) for entry in it.server.journal]

    asked = it.run(pull, use)
    assert asked[0].startswith("GET /api/v1/repos/octo/demo/pulls/1/reviews ")
    assert "POST" in asked[1]


def test_the_ids_of_a_posted_review_may_stay_unknown(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.server.faults.add(Fault(method="GET", path=r"/reviews/\d+/comments", status=403))
    (posted,) = post(it, pull, draft())
    assert (posted.ok, posted.comment_id) == (True, None)


# ---- what a run that died left behind


def discard(it: Rig, pull: Pull, **more: object) -> int:
    async def use(platform: Platform) -> int:
        return await platform.discard_pending(await platform.pull_request())

    return it.run(pull, use, **more)


@BOTH
def test_what_a_dead_run_left_pending_is_discarded(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    for n in (1, 2):
        it.fake.leave_pending(pull, "loom-bot", "app.py", 10, f"Old {n}.\n\n<!-- {marker()} -->")
    assert discard(it, pull) == 2
    assert it.forge.reviews == []
    assert discard(it, pull) == 0


def test_another_persons_pending_review_is_none_of_our_business(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.fake.leave_pending(pull, "alice", "app.py", 10, "Hm.")
    assert discard(it, pull) == 0
    post(it, pull, draft())
    assert [r.state for r in it.forge.reviews] == ["PENDING", "COMMENT"]


@BOTH
def test_a_persons_pending_review_under_our_token_is_never_published(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    review = it.fake.leave_pending(pull, "loom-bot", "app.py", 10, "I am not done.")
    it.fake.leave_pending(pull, "loom-bot", "app.py", 11, f"Old.\n\n<!-- {marker()} -->")

    async def use(platform: Platform) -> None:
        pr = await platform.pull_request()
        with pytest.raises(RejectedError, match="unsent review"):
            await platform.discard_pending(pr)
        with pytest.raises(RejectedError, match="unsent review"):
            await platform.post_single(pr, draft())

    it.run(pull, use)
    assert [d["body"] for d in review.drafts] == ["I am not done."]
    assert it.forge.said == []


def test_a_token_that_may_not_ask_who_it_is_discards_only_what_is_marked(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    nameless = it.forge.add_token(repository="write", issue="write")
    it.fake.leave_pending(pull, "loom-bot", "app.py", 10, "Whose is this?")
    assert discard(it, pull, token=nameless) == 0
    it.fake.leave_pending(pull, "loom-bot", "app.py", 11, f"Old.\n\n<!-- {marker()} -->")
    with pytest.raises(RejectedError, match="unsent review"):
        discard(it, pull, token=nameless)
    assert [d["body"] for d in it.forge.reviews[0].drafts] == ["Whose is this?"]
