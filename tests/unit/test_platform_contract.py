"""The contract of a platform, as every one of them has to keep it: Loom's adapter over HTTP against a fake forge with
the platform's own rules. What one of them cannot do it says in its profile, and then falls back or refuses in so many
words; nothing else may differ. Every request is held against the platform's official description (support.forge)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.data import shared
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.rig import BASE, CHANGE, FAKES, Rig, rig, there

from loom import platforms
from loom.core.errors import LoomError
from loom.core.finding import Severity
from loom.core.marker import Known, Marker, Seal
from loom.platforms.base import (
    AuthError,
    Cap,
    DeniedError,
    DownError,
    LimitedError,
    Lister,
    MissingError,
    Platform,
    PlatformError,
    RejectedError,
)
from loom.platforms.values import Anchor, Draft, Note, Status, Thread

SECRET_LEFT_OUT = "q0Zx8rT3mVb7Lk"
"""Part of every token that a fake makes."""


@pytest.fixture(params=[name for name in FAKES if there(name)])
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with rig(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def pull(forge: Rig) -> Pull:
    forge.forge.add_user("alice", "write")
    return forge.forge.open_pull(CHANGE, title="Change things", body="Because.", author="alice", labels=("risky",))


def seal(forge: Rig, pull: Pull) -> Seal:
    return Seal(repo=forge.forge.name, number=pull.number)


def draft(forge: Rig, pull: Pull, fingerprint: str = "f1", *, anchor: Anchor | None = None, **more: Any) -> Draft:
    """A comment on the line that app.py got new, unless told where."""
    known = Known(fingerprint=fingerprint, severity=Severity.WARNING, path="app.py", line=11)
    marker = seal(forge, pull).write(Marker(kind="finding", head=pull.head, known=(known,)))
    anchor = anchor or Anchor(path="app.py", line=11, kind="added")
    return Draft(fingerprint=fingerprint, anchor=anchor, body=f"**Finding {fingerprint}**", marker=marker, **more)


def by_fingerprint(forge: Rig, pull: Pull, threads: tuple[Thread, ...]) -> dict[str, Thread]:
    """Our own comments, as the next run finds them."""
    found = {}
    for thread in threads:
        root = thread.comments[0]
        marker = seal(forge, pull).read(root.body, by_self=root.by_self)
        if marker is not None:
            found[marker.fingerprint] = thread
    return found


# -- the table --------------------------------------------------------------------------------------------------------


def test_every_row_of_the_table_has_a_fake_forge() -> None:
    assert set(platforms.TABLE) == set(FAKES)


@pytest.mark.parametrize("name", ["github.json", "gitlab.json", "gitea.json", "forgejo.json"])
def test_the_official_descriptions_are_at_hand(name: str) -> None:
    """Where they are not, everything else here still runs, only not held against them."""
    shared("tools", "contract.py")
    assert shared("data", "specs", name).stat().st_size > 50_000


def test_an_unknown_platform_is_told_from_the_known_ones(forge: Rig) -> None:
    setup = forge.setup(1)
    wrong = type(setup.project)(platform="gitbuh", api_url="https://x", web_url="https://x", repo="a/b")
    with pytest.raises(LoomError, match="unknown platform"):
        platforms.make(type(setup)(project=wrong, number=1, token=None, network=setup.network))


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_pull_request_is_read(forge: Rig, pull: Pull) -> None:
    pr = forge.run(pull, lambda p: p.pull_request())
    assert (pr.number, pr.title, pr.body, pr.author) == (1, "Change things", "Because.", "alice")
    assert (pr.head_sha, pr.base_sha) == (pull.head, forge.forge.tip("main"))
    assert (pr.source_branch, pr.target_branch, pr.labels) == ("topic", "main", ("risky",))
    assert pr.open
    assert not pr.draft
    assert not pr.fork
    assert pr.source_repo == forge.forge.name


def test_a_fork_and_a_draft_are_seen(forge: Rig) -> None:
    pull = forge.forge.open_pull(CHANGE, fork=True, draft=True)
    pr = forge.run(pull, lambda p: p.pull_request())
    assert pr.fork
    assert pr.draft
    assert pr.source_repo == "stranger/demo"


def test_the_merge_base_is_where_the_pull_request_left_its_target(forge: Rig, pull: Pull) -> None:
    forge.forge.commit("main", {"later.txt": "x\n"})

    async def ask(p: Platform) -> str | None:
        pr = await p.pull_request()
        return pr.merge_base or await p.merge_base(pr.base_sha, pr.head_sha)

    assert forge.run(pull, ask) in (forge.forge.merge_base(pull), None)


def test_the_diff_is_the_one_from_the_merge_base(forge: Rig, pull: Pull) -> None:
    forge.forge.commit("main", {"later.txt": "x\n"})

    async def read(p: Platform) -> Any:
        return await p.diff(await p.pull_request())

    diff = forge.run(pull, read)
    expected = forge.forge.diff(pull)
    assert diff.unread == ()
    assert {f.path: f.status for f in diff.files} == {
        "app.py": "modified", "new file.py": "added", "old.txt": "deleted",
    }  # fmt: skip
    for file in diff.files:
        truth = expected.file(file.path)
        assert truth is not None
        assert [(line.kind, line.old, line.new, line.text) for line in file.lines()] == [
            (line.kind, line.old, line.new, line.text) for hunk in truth.hunks for line in hunk
        ]


def test_files_are_read_at_a_commit(forge: Rig, pull: Pull) -> None:
    async def read(p: Platform) -> list[bytes | None]:
        names = [("app.py", pull.head), ("new file.py", pull.head), ("old.txt", pull.head), ("lib/util.py", "main")]
        return [await p.file(path, pull.head if ref != "main" else forge.forge.tip("main")) for path, ref in names]

    app, new, old, util = forge.run(pull, read)
    assert app == CHANGE["app.py"].encode()  # type: ignore[union-attr]
    assert new == b"import os\nos.system(input())\n"
    assert old is None
    assert util == BASE["lib/util.py"].encode()  # type: ignore[union-attr]


def test_folders_are_listed_at_a_commit(forge: Rig, pull: Pull) -> None:
    """For configuration where there is no git."""
    old = forge.forge.tip("main")
    forge.forge.commit("main", {".loom/rules/a.yaml": "x", ".loom/rules/b.yaml": "y", ".loom/config.yaml": "z"})
    now = forge.forge.tip("main")

    async def read(platform: Platform) -> list[tuple[str, ...]]:
        assert isinstance(platform, Lister)
        places = ((".loom/rules", now), (".loom/rules", old), (".loom", now), (".", old))
        return [tuple(sorted(await platform.names(folder, ref))) for folder, ref in places]

    rules, before, loom, root = forge.run(pull, read)
    assert (rules, before, loom) == (("a.yaml", "b.yaml"), (), ("config.yaml", "rules"))
    assert "rules" not in root
    assert root


def test_a_missing_pull_request_is_said_to_be_missing(forge: Rig) -> None:
    with pytest.raises((MissingError, DeniedError)) as caught:
        forge.run(77, lambda p: p.pull_request())
    assert "77" in caught.value.message
    assert caught.value.hint


def test_the_pull_request_of_a_commit_is_found(forge: Rig, pull: Pull) -> None:
    assert forge.run(0, lambda p: p.pr_of_commit(pull.head)) == pull.number
    assert forge.run(0, lambda p: p.pr_of_commit("0" * 40)) is None


def test_all_threads_are_read_over_all_pages_with_the_authors_that_they_have(forge: Rig, pull: Pull) -> None:
    for n in range(130):
        forge.forge.say(pull.number, forge.forge.users["alice"], f"general {n}")
    for n in range(105):
        talk = forge.forge.start_talk(pull.number, "app.py", "new", 10)
        forge.forge.say(pull.number, forge.forge.users["alice"], f"inline {n}", talk=talk)
        forge.forge.say(pull.number, forge.forge.bot, f"answer {n}", talk=talk)

    async def read(p: Platform) -> tuple[Thread, ...]:
        return await p.threads(await p.pull_request())

    threads = forge.run(pull, read)
    bodies = [comment.body for thread in threads for comment in thread.comments]
    assert sorted(b for b in bodies if b.startswith("general")) == sorted(f"general {n}" for n in range(130))
    assert sorted(b for b in bodies if b.startswith("inline")) == sorted(f"inline {n}" for n in range(105))
    inline = [thread for thread in threads if thread.path == "app.py"]
    assert all(thread.line == 10 and thread.side == "new" for thread in inline)
    assert not any(c.by_self for thread in threads for c in thread.comments if c.author == "alice")
    if forge.name != "gitlab":  # each platform numbers its comments its own way; the order is by time
        assert [t.comments[0].created_at for t in threads] == sorted(t.comments[0].created_at for t in threads)


# -- posting ----------------------------------------------------------------------------------------------------------


def test_a_review_puts_every_comment_on_its_line_and_is_found_again(forge: Rig, pull: Pull) -> None:
    drafts = [
        draft(forge, pull, "added"),
        draft(forge, pull, "context", anchor=Anchor(path="app.py", line=8, old_line=8, kind="context")),
        draft(forge, pull, "removed", anchor=Anchor(path="app.py", side="old", line=30, kind="removed")),
        draft(forge, pull, "fresh", anchor=Anchor(path="new file.py", line=2, kind="added")),
    ]

    async def post(p: Platform) -> Any:
        pr = await p.pull_request()
        posted = await p.post_review(pr, drafts, "", "comment")
        return posted, await p.threads(pr)

    posted, threads = forge.run(pull, post)
    assert [(p.fingerprint, p.ok) for p in posted] == [(d.fingerprint, True) for d in drafts]
    found = by_fingerprint(forge, pull, threads)
    assert {f: (t.path, t.line, t.side) for f, t in found.items()} == {
        "added": ("app.py", 11, "new"),
        "context": ("app.py", 8, "new"),
        "removed": ("app.py", 30, "old"),
        "fresh": ("new file.py", 2, "new"),
    }
    assert all(t.comments[0].by_self for t in found.values())
    for p in posted:
        if p.comment_id is not None:
            assert p.comment_id == found[p.fingerprint].comments[0].id


def test_one_bad_line_among_thirty_loses_nothing_and_doubles_nothing(forge: Rig, pull: Pull) -> None:
    lines = [7 + n % 8 for n in range(29)]
    places = [Anchor(path="app.py", line=line, kind="context", old_line=line - (line > 11)) for line in lines]
    good = [draft(forge, pull, f"f{n}", anchor=place) for n, place in enumerate(places)]
    good = [d for d in good if d.anchor.line not in (10, 11)]
    bad = draft(forge, pull, "bad", anchor=Anchor(path="app.py", line=50, kind="context", old_line=50))

    async def post(p: Platform) -> Any:
        pr = await p.pull_request()
        ok: set[str] = set()
        with contextlib.suppress(RejectedError):  # the whole batch: each one by itself, then
            ok = {r.fingerprint for r in await p.post_review(pr, [*good, bad], "", "comment") if r.ok}
        left = [d for d in [*good, bad] if d.fingerprint not in ok]
        refused = []
        for one in left:
            try:
                done = await p.post_single(pr, one)
                if not done.ok:
                    refused.append(one.fingerprint)
            except (RejectedError, DownError):
                refused.append(one.fingerprint)
        return refused, await p.threads(pr)

    refused, threads = forge.run(pull, post)
    assert refused in (["bad"], [])
    bodies = [said.body for said in forge.forge.inline(pull.number)]
    for one in good:
        assert sum(one.marker in body for body in bodies) == 1
    assert set(by_fingerprint(forge, pull, threads)) >= {d.fingerprint for d in good}


def test_a_range_stands_on_its_lines_where_there_are_ranges(forge: Rig, pull: Pull) -> None:
    anchor = Anchor(path="app.py", start_line=10, start_kind="added", line=11, kind="added")

    async def post(p: Platform) -> Any:
        return p.profile, await p.post_single(await p.pull_request(), draft(forge, pull, anchor=anchor))

    profile, posted = forge.run(pull, post)
    assert posted.ok
    talk = next(iter(forge.forge.talks_of(pull.number)))
    assert talk.line == 11
    if Cap.MULTILINE in profile.caps:
        assert talk.start_line == 10


def test_a_comment_on_a_whole_file_goes_where_the_platform_has_one(forge: Rig, pull: Pull) -> None:
    async def post(p: Platform) -> Any:
        pr = await p.pull_request()
        if Cap.FILE_COMMENT not in p.profile.caps:
            assert p.profile.missing.get("file_comment"), "what is missing says how to get it"
            return None
        await p.post_single(pr, draft(forge, pull, anchor=Anchor(path="app.py")))
        return by_fingerprint(forge, pull, await p.threads(pr))

    found = forge.run(pull, post)
    if found is not None:
        assert (found["f1"].path, found["f1"].line) == ("app.py", None)


def test_a_suggestion_replaces_exactly_its_lines_and_cannot_leave_its_fence(forge: Rig, pull: Pull) -> None:
    text = "changed 10\n```\n````suggestion\nrm -rf\n````"
    one = draft(forge, pull, suggestion=text)

    async def post(p: Platform) -> Any:
        return p.profile, p.suggestion(one), await p.post_single(await p.pull_request(), one)

    profile, block, _ = forge.run(pull, post)
    body = forge.forge.inline(pull.number)[0].body
    assert text in body
    assert body.rstrip().endswith(tuple("->)]")), "the marker is the last line"
    fence = block.partition("\n")[0]
    ticks = len(fence) - len(fence.lstrip("`"))
    assert ticks > 4
    assert ("suggestion" in fence) == (Cap.SUGGESTIONS in profile.caps)


def test_the_summary_is_written_edited_in_place_and_answered(forge: Rig, pull: Pull) -> None:
    word = seal(forge, pull).write(Marker(kind="summary", head=pull.head))

    async def go(p: Platform) -> None:
        pr = await p.pull_request()
        made = await p.create_comment(pr, f"first\n\n{p.hide(word)}")
        assert made.by_self
        thread = next(t for t in await p.threads(pr) if t.comments[0].id == made.id)
        assert thread.path is None
        assert seal(forge, pull).read(thread.comments[0].body, by_self=thread.comments[0].by_self) is not None
        edited = await p.edit_comment(pr, thread, f"second\n\n{p.hide(word)}")
        assert edited.id == made.id
        await p.reply(pr, thread, "an answer")

    forge.run(pull, go)
    assert [said.body.partition("\n")[0] for said in forge.forge.general(pull.number)] == ["second", "an answer"]


def test_a_thread_is_answered_and_settled_or_the_profile_says_why_not(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        await p.post_single(pr, draft(forge, pull))
        thread = by_fingerprint(forge, pull, await p.threads(pr))["f1"]
        if Cap.RESOLVE not in p.profile.caps or not thread.resolvable:
            assert p.profile.missing.get("resolve")
            with pytest.raises(PlatformError):
                await p.resolve(pr, thread)
            return None
        await p.resolve(pr, thread)
        await p.resolve(pr, by_fingerprint(forge, pull, await p.threads(pr))["f1"])
        await p.reply(pr, thread, "fixed")
        return by_fingerprint(forge, pull, await p.threads(pr))["f1"]

    settled = forge.run(pull, go)
    if settled is not None:
        assert settled.resolved
        assert settled.resolved_by_self
        assert [c.body for c in settled.comments][1:] == ["fixed"]


def test_our_own_copy_is_deleted_once_and_deleting_it_again_is_fine(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> None:
        pr = await p.pull_request()
        if Cap.DELETE_COMMENT not in p.profile.caps:
            return
        await p.create_comment(pr, "general")
        await p.post_single(pr, draft(forge, pull))
        for thread in await p.threads(pr):
            await p.delete_comment(pr, thread)
            await p.delete_comment(pr, thread)
        assert await p.threads(pr) == ()

    forge.run(pull, go)


def test_a_command_gets_its_receipt(forge: Rig, pull: Pull) -> None:
    said = forge.forge.say(pull.number, forge.forge.users["alice"], "/loom review")

    async def go(p: Platform) -> None:
        if Cap.REACTIONS in p.profile.caps:
            await p.react(str(said.id), "eyes", inline=False)

    forge.run(pull, go)
    assert [name for name, _ in said.reactions] in (["eyes"], [])


@pytest.mark.parametrize("state", ["pending", "success", "failure", "error", "neutral"])
def test_a_status_stands_on_the_head(forge: Rig, pull: Pull, state: Any) -> None:
    async def go(p: Platform) -> None:
        await p.set_status(
            await p.pull_request(), Status(state=state, title="loom: " + "x" * 300, url="https://ci.example/1")
        )

    forge.run(pull, go)
    assert [mark.sha for mark in forge.forge.marks] == [pull.head]
    assert "loom" in forge.forge.marks[0].name


def test_every_annotation_comes_back_with_what_became_of_it(forge: Rig, pull: Pull) -> None:
    notes = tuple(
        Note(fingerprint=f"n{n}", path="app.py", line=n + 1, end_line=None, severity="info", title="t", message="m")
        for n in range(120)
    )

    async def go(p: Platform) -> Any:
        status = Status(state="failure", title="2 blockers", summary="s", notes=notes)
        return p.profile, await p.set_status(await p.pull_request(), status)

    profile, posted = forge.run(pull, go)
    on_forge = sum(len(mark.notes) for mark in forge.forge.marks)
    if Cap.CHECK_RUN in profile.caps:
        assert on_forge == 120
        assert all(p.ok for p in posted)
    else:
        assert on_forge == 0
        assert not any(p.ok for p in posted)
    assert [p.fingerprint for p in posted] == [n.fingerprint for n in notes]


# -- who may what -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "write", "read", "none"])
def test_what_somebody_may_do_is_asked_from_the_platform(forge: Rig, pull: Pull, role: Any) -> None:
    forge.forge.add_user("carol", role)

    async def go(p: Platform) -> Any:
        if Cap.ACCESS_LOOKUP not in p.profile.caps:
            with pytest.raises(DeniedError):
                await p.access_of("carol")
            return p.profile.missing["access_lookup"]
        try:
            return await p.access_of("carol")
        except MissingError:
            return "none"  # the caller denies then, too

    answer = forge.run(pull, go)
    assert answer == role or " " in answer, "an access, or how to get to ask"


# -- what goes wrong --------------------------------------------------------------------------------------------------


def attempt(forge: Rig, pull: Pull, use: Callable[[Platform], Any], **more: Any) -> LoomError:
    with pytest.raises(LoomError) as caught:
        forge.run(pull, use, **more)
    error = caught.value
    for shown in (error.message, error.hint, repr(error)):
        assert SECRET_LEFT_OUT not in shown
    assert error.hint, "an error says what to do"
    return error


async def summary(p: Platform) -> Any:
    return await p.create_comment(await p.pull_request(), "summary")


def test_a_wrong_token_is_named_by_its_variable_and_never_shown(forge: Rig, pull: Pull) -> None:
    error = attempt(forge, pull, summary, token="wrong_q0Zx8rT3mVb7Lk", variable="MY_TOKEN")
    assert isinstance(error, AuthError)
    assert "MY_TOKEN" in error.hint


def test_a_reading_token_is_refused_at_the_first_write(forge: Rig, pull: Pull) -> None:
    error = attempt(forge, pull, summary, token="reading")
    assert isinstance(error, (DeniedError, AuthError))
    assert forge.forge.said == []


def test_a_sign_in_page_instead_of_json_is_a_matter_of_the_token(forge: Rig, pull: Pull) -> None:
    forge.server.faults.add(Fault(path="pulls|merge_requests", status=200, body="<html>Sign in</html>", times=0))
    assert isinstance(attempt(forge, pull, lambda p: p.pull_request()), AuthError)


@pytest.mark.parametrize(
    ("fault", "kind", "acted"),
    [
        (Fault(status=401), AuthError, None),
        (Fault(status=403), DeniedError, None),
        (Fault(status=404), DeniedError, None),
        (Fault(status=422), RejectedError, None),
        (Fault(status=500), DownError, True),
        (Fault(status=502, acted=True), DownError, True),
        (Fault("hang", acted=True), DownError, True),
        (Fault("reset", acted=True), DownError, True),
        (Fault("reset"), DownError, True),
        (Fault("truncate"), DownError, True),
    ],
    ids=lambda value: f"{value.how}-{value.status}-{value.acted}" if isinstance(value, Fault) else "",
)
def test_a_write_is_never_repeated_blindly(
    forge: Rig, pull: Pull, fault: Fault, kind: type[PlatformError], acted: bool | None
) -> None:
    forge.server.faults.add(
        Fault(
            fault.how,
            method="POST|PUT",
            path="comments|notes",
            status=fault.status,
            acted=fault.acted,
            body={"message": "no"},
        )
    )

    error = attempt(forge, pull, summary, timeout_s=0.3)
    assert isinstance(error, kind)
    if acted is not None:
        assert isinstance(error, DownError)
        assert error.acted == acted
    assert len(forge.server.requests("POST|PUT", "comments|notes")) == 1
    assert len(forge.forge.general(pull.number)) == (1 if fault.acted or fault.how == "truncate" else 0)


def test_a_write_that_was_refused_for_its_pace_is_repeated_after_the_wait(forge: Rig, pull: Pull) -> None:
    forge.server.faults.add(Fault(method="POST", path="comments|notes", status=429, headers={"Retry-After": "7"}))
    forge.run(pull, summary)
    assert len(forge.forge.general(pull.number)) == 1
    assert any(7 <= delay < 9 for delay in forge.time.delays)


def test_a_limit_that_outlasts_our_patience_ends_in_an_error(forge: Rig, pull: Pull) -> None:
    forge.server.faults.add(
        Fault(method="POST", path="comments|notes", status=429, headers={"Retry-After": "3600"}, times=0)
    )
    assert isinstance(attempt(forge, pull, summary), LimitedError)
    assert sum(forge.time.delays) < 60


@pytest.mark.parametrize(
    "fault",
    [Fault(status=500), Fault(status=503), Fault("reset"), Fault("truncate")],
    ids=lambda f: f"{f.how}-{f.status}",
)
def test_reading_is_tried_again(forge: Rig, pull: Pull, fault: Fault) -> None:
    path = "pulls/1$|merge_requests/1$"
    forge.server.faults.add(Fault(fault.how, method="GET", path=path, status=fault.status, times=2))
    assert forge.run(pull, lambda p: p.pull_request()).number == 1


def test_no_answer_at_all_names_the_address(forge: Rig, pull: Pull) -> None:
    setup = forge.setup(pull)
    nowhere = type(setup.project)(
        platform=forge.name, api_url="http://127.0.0.1:9/api/v1", web_url="http://127.0.0.1:9", repo="octo/demo"
    )

    async def go() -> None:
        platform = platforms.make(type(setup)(
            project=nowhere, number=1, token=setup.token, network=setup.network, policy=setup.policy
        ))  # fmt: skip
        await platform.pull_request()

    with pytest.raises(DownError) as caught:
        asyncio.run(go())
    assert "127.0.0.1:9" in caught.value.message
    assert not caught.value.acted


def test_every_write_is_on_record_with_its_status(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        await summary(p)
        await p.post_single(await p.pull_request(), draft(forge, pull))
        return list(p.actions)

    actions = forge.run(pull, go)
    sent = [(e.request.method, e.response.status) for e in forge.server.writes if e.response]
    assert [(a.verb, a.status) for a in actions] == sent
    assert all(a.at == "2026-11-21T00:00:00Z" for a in actions)
    assert not any(SECRET_LEFT_OUT in a.target for a in actions)


def test_nul_and_lone_surrogates_do_not_reach_the_server(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        return await p.create_comment(await p.pull_request(), "a\0b \udcff \ud800 c")

    forge.run(pull, go)
    body = forge.forge.general(pull.number)[0].body
    assert "\0" not in body
    body.encode()


# -- text -------------------------------------------------------------------------------------------------------------


def test_git_finds_the_repository_and_what_to_sign_in_with(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        return p.clone_url(), p.git_credential()

    url, credential = forge.run(pull, go)
    assert url == f"{forge.server.url}/octo/demo.git"
    assert credential is not None
    assert credential[1] in forge.forge.tokens


def test_a_permalink_names_the_head_and_encodes_the_path(forge: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> str:
        return p.permalink(await p.pull_request(), "a b/ü#1.py", 3, 5)

    link = forge.run(pull, go)
    assert pull.head in link
    assert "a%20b/%C3%BC%231.py" in link
    assert "#L3" in link
