"""Threads on Gitea and Forgejo: read, answered, resolved, edited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.forge.core import Pull, Said
from support.forge.faults import Fault
from support.forge.gitea_talk import draft, inline, marker, post, threads
from support.forge.rig import CHANGE, Rig, rig

from loom.platforms.base import Cap, DeniedError, Platform, RejectedError

BOTH = pytest.mark.parametrize("kind", ["gitea", "forgejo"])


@pytest.fixture
def kind() -> str:
    return "gitea"


@pytest.fixture
def it(kind: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(kind, tmp_path) as made:
        yield made


# ---- threads


@BOTH
def test_threads_are_read_with_answers_reactions_and_who_resolved(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, draft(10), draft(30, n=2, side="old"))
    first, second = it.forge.inline(1)
    it.forge.say(1, it.forge.users["alice"], "General.")
    it.fake.answer_in(pull, "alice", first, "Really?")
    first.reactions.append(("-1", "alice"))
    it.fake.resolve_as("alice", second)
    found = threads(it, pull)
    assert [(t.path, t.line, t.side, t.resolved, t.resolved_by) for t in found] == [
        ("app.py", 10, "new", False, None),
        ("app.py", 30, "old", True, "alice"),
        (None, None, "new", False, None),
    ]
    assert [[c.author for c in t.comments] for t in found] == [["loom-bot", "alice"], ["loom-bot"], ["alice"]]
    assert found[0].comments[0].reactions == {"-1": ("alice",)}
    assert not found[1].resolved_by_self


def test_what_a_person_wrote_as_the_text_of_a_review_is_read(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.forge.add_user("bob", "write")
    post(
        it,
        pull,
        body="/loom ignore all",
        verdict="approve",
        token=it.forge.add_token("bob", repository="write", issue="write", user="read"),
    )
    (thread,) = threads(it, pull)
    assert (thread.path, thread.resolvable) == (None, False)
    assert (thread.comments[0].author, thread.comments[0].body) == ("bob", "/loom ignore all")


def test_a_comment_that_is_deleted_while_it_is_read_is_no_trouble(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, draft(10))
    it.server.faults.add(Fault(method="GET", path="/reactions$", status=404))
    (thread,) = inline(threads(it, pull))
    assert thread.comments[0].reactions == {}


def test_pending_comments_are_not_threads(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.fake.leave_pending(pull, "loom-bot", "app.py", 10, f"Old.\n\n<!-- {marker()} -->")
    assert threads(it, pull) == ()


def test_two_findings_on_one_line_stay_two_threads(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, draft(10), draft(10, n=2))
    root = it.forge.inline(1)[1]
    it.fake.answer_in(pull, "alice", root, "About the second.")
    it.forge.add_user("mallory", "read")
    it.fake.answer_in(pull, "mallory", root, f"<!-- {marker('0' * 15 + '3')} -->")
    it.fake.answer_in(pull, "alice", root, "Still about the second.")
    found = inline(threads(it, pull))
    assert [[c.author for c in t.comments] for t in found] == [["loom-bot"], ["loom-bot", "alice", "mallory", "alice"]]
    assert [t.can_resolve for t in found] == [False, False]


def test_a_review_that_is_deleted_while_it_is_read_is_no_trouble(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    post(it, pull, draft(10))
    post(it, pull, draft(11, n=2))
    it.server.faults.add(Fault(method="GET", path=rf"/reviews/{it.forge.reviews[0].id}/comments", status=404))
    assert [t.line for t in inline(threads(it, pull))] == [11]


def test_an_answer_belongs_to_the_latest_comment_about_its_finding(it: Rig) -> None:
    it.fake.version = "1.25.0"
    pull = it.forge.open_pull(CHANGE)
    note = f"Fixed.\n\n<!-- {marker('0' * 15 + '1', 'note')} -->"

    async def use(platform: Platform) -> list[int]:
        pr = await platform.pull_request()
        for _ in range(2):
            await platform.post_single(pr, draft())
            await platform.reply(pr, (await platform.threads(pr))[-1], note)
        return [len(t.comments) for t in await platform.threads(pr)]

    assert it.run(pull, use) == [2, 2]


@pytest.mark.parametrize("total", [True, False])
def test_all_pages_of_reviews_are_read_however_small_and_with_hidden_ones(it: Rig, total: bool) -> None:
    it.fake.max_items, it.fake.with_totals = 3, total
    pull = it.forge.open_pull(CHANGE)
    it.forge.add_user("bob", "write")
    for n in range(1, 12):
        post(it, pull, draft(10, n=n))
    it.forge.reviews.insert(1, it.fake.leave_pending(pull, "bob", "app.py", 10, "Hm."))
    it.forge.reviews.pop()
    assert len(inline(threads(it, pull))) == 11


def test_the_count_of_comments_moves_by_one_for_each(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)

    def count() -> int | None:
        return it.run(pull, lambda p: p.pull_request()).comments

    assert count() == 0
    post(it, pull, draft(10), draft(11, n=2))
    assert count() == 2
    it.forge.say(1, it.forge.users["alice"], "General.")
    assert count() == 3


# ---- answering, resolving, editing


def thread_of(it: Rig, pull: Pull) -> Said:
    post(it, pull, draft(12))
    return it.forge.inline(1)[0]


def first_thread(it: Rig, pull: Pull, verb: str, **more: object) -> Any:
    async def use(platform: Platform) -> Any:
        pr = await platform.pull_request()
        (thread,) = [t for t in await platform.threads(pr) if t.path is not None]
        if verb == "reply":
            return await platform.reply(pr, thread, f"Fixed.\n\n<!-- {marker('0' * 15 + '1', 'note')} -->")
        return await getattr(platform, verb)(pr, thread)

    return it.run(pull, use, **more)


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("gitea", "1.27.0", "/comments/{id}/replies"),
        ("gitea", "1.26.1", "/reviews"),
        ("gitea", "nonsense", "/comments/{id}/replies"),
        ("forgejo", "16.0.1+gitea-1.22.0", "/reviews/{review}/comments"),
        ("forgejo", "11.0.1+gitea-1.22.0", "/reviews/{review}/comments"),
    ],
)
def test_an_answer_stands_in_the_thread_of_its_finding(it: Rig, version: str, path: str) -> None:
    it.fake.version = version
    pull = it.forge.open_pull({"app.py": "new first\n" + "".join(f"line {n}\n" for n in range(1, 61))})
    post(it, pull, draft(1))
    root = it.forge.inline(1)[0]
    answer = first_thread(it, pull, "reply")
    assert answer.by_self
    written = it.server.writes[-1].request.path
    assert written.endswith(path.format(id=root.id, review=root.review))
    (thread,) = inline(threads(it, pull))
    assert [c.body.splitlines()[0] for c in thread.comments] == ["Finding 1.", "Fixed."]


def test_a_server_without_the_route_to_answer_gets_a_review_on_the_same_line(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    thread_of(it, pull)
    it.server.faults.add(Fault(method="POST", path="/replies$", status=404))
    first_thread(it, pull, "reply")
    assert [e.request.path.rpartition("/")[2] for e in it.server.writes] == ["reviews", "replies", "reviews"]
    (thread,) = inline(threads(it, pull))
    assert len(thread.comments) == 2


def test_forgejo_follows_a_line_and_the_answer_finds_it(tmp_path: Path) -> None:
    with rig("forgejo", tmp_path) as it:
        pull = it.forge.open_pull(CHANGE)
        post(it, pull, draft(13))  # a kept line, which is line 12 of the commit it comes from
        (talk,) = it.forge.talks_of(1)
        assert talk.line == 12
        first_thread(it, pull, "reply")
        assert [len(t.comments) for t in inline(threads(it, pull))] == [2]


def test_a_thread_is_resolved_and_a_second_time_is_fine(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    thread_of(it, pull)
    first_thread(it, pull, "resolve")
    (thread,) = inline(threads(it, pull))
    assert (thread.resolved, thread.resolved_by_self) == (True, True)
    first_thread(it, pull, "resolve")


@pytest.mark.parametrize(("kind", "version"), [("gitea", "1.23.6"), ("gitea", "odd"), ("forgejo", "odd+gitea-1.22.0")])
def test_a_server_that_cannot_resolve_says_so_once(it: Rig, version: str) -> None:
    it.fake.version = version
    pull = it.forge.open_pull(CHANGE)
    thread_of(it, pull)
    if version == "odd":
        it.server.faults.add(Fault(method="POST", path="/resolve$", status=404))

    async def use(platform: Platform) -> Cap:
        pr = await platform.pull_request()
        (thread,) = await platform.threads(pr)
        for _ in range(2):
            with pytest.raises(DeniedError, match="resolve"):
                await platform.resolve(pr, thread)
        return platform.profile.caps

    assert Cap.RESOLVE not in it.run(pull, use)
    assert len(it.server.requests("POST", "/resolve$")) == (0 if version == "1.23.6" else 1)


@BOTH
def test_the_summary_is_made_edited_and_taken_back(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)

    async def use(platform: Platform) -> list[str]:
        pr = await platform.pull_request()
        await platform.create_comment(pr, "One.")
        (thread,) = await platform.threads(pr)
        edited = await platform.edit_comment(pr, thread, "Two.")
        (again,) = await platform.threads(pr)
        await platform.react(again.id, "eyes", inline=False)
        await platform.delete_comment(pr, again)
        await platform.delete_comment(pr, again)
        return [edited.body, again.comments[0].body, str(edited.by_self)]

    assert it.run(pull, use) == ["Two.", "Two.", "True"]
    assert it.forge.general(1) == []
    assert it.forge.said[0].reactions == [("eyes", "loom-bot")]


def test_an_edit_that_the_server_silently_drops_is_no_success(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.forge.say(1, it.forge.bot, "One.")
    it.server.faults.add(Fault(method="PATCH", status=204))

    async def use(platform: Platform) -> None:
        pr = await platform.pull_request()
        (thread,) = await platform.threads(pr)
        with pytest.raises(RejectedError, match="edited"):
            await platform.edit_comment(pr, thread, "Two.")

    it.run(pull, use)


def test_a_strangers_comment_is_left_alone(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.forge.say(1, it.forge.users["alice"], "Mine.")

    async def use(platform: Platform) -> None:
        pr = await platform.pull_request()
        (thread,) = await platform.threads(pr)
        with pytest.raises(DeniedError):
            await platform.edit_comment(pr, thread, "Ours.")
        with pytest.raises(DeniedError):
            await platform.delete_comment(pr, thread)

    it.run(pull, use, token=it.fake.writing_token())
    assert [s.body for s in it.forge.general(1)] == ["Mine."]
