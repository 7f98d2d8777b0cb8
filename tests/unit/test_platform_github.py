"""GitHub's own ways: what only it has, refuses, limits or hides (facts: platforms, section 2). What all platforms share
stands in test_platform_contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.github import leave_pending
from support.forge.github_graph import schema
from support.forge.rig import CHANGE, Rig, rig

from loom.core.diff import FileChange
from loom.core.finding import Severity
from loom.core.marker import Known, Marker, Seal
from loom.platforms import github_graphql
from loom.platforms.base import (
    AuthError,
    Cap,
    DeniedError,
    DownError,
    MissingError,
    Platform,
    PlatformError,
    RejectedError,
    StaleError,
)
from loom.platforms.values import Anchor, Draft, Note, PlatformDiff, Project, PullRequest, Status, Thread


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path) as made:
        yield made


@pytest.fixture
def pull(hub: Rig) -> Pull:
    hub.forge.add_user("alice", "write")
    return hub.forge.open_pull(CHANGE, author="alice")


def draft(pull: Pull, fingerprint: str = "f1", **anchor: Any) -> Draft:
    known = Known(fingerprint=fingerprint, severity=Severity.INFO, path="app.py")
    word = Seal(repo="octo/demo", number=1).write(Marker(kind="finding", head=pull.head, known=(known,)))
    place = Anchor(**{"path": "app.py", "line": 11, "kind": "added", **anchor})
    return Draft(fingerprint=fingerprint, anchor=place, body="text", marker=word)


def review(hub: Rig, pull: Pull, *drafts: Draft, body: str = "", verdict: Any = "comment", **more: Any) -> Any:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        return await p.post_review(pr, drafts, body, verdict), p.profile

    return hub.run(pull, go, **more)


def threads_of(hub: Rig, pull: Pull, **more: Any) -> tuple[Thread, ...]:
    async def go(p: Platform) -> Any:
        return await p.threads(await p.pull_request())

    return hub.run(pull, go, **more)


def diff_of(hub: Rig, pull: Pull) -> PlatformDiff:
    async def go(p: Platform) -> Any:
        return await p.diff(await p.pull_request())

    return hub.run(pull, go)


# -- who we are and what we may ---------------------------------------------------------------------------------------


def test_a_token_of_actions_learns_its_name_and_may_make_check_runs(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        return p.profile

    profile = hub.run(pull, go)
    assert profile.login == "loom-bot[bot]"
    assert Cap.CHECK_RUN in profile.caps
    assert profile.missing == {}


@pytest.mark.parametrize(("kind", "prefix"), [("classic", "tok"), ("pat", "github_pat"), ("pat", "ghp")])
def test_a_personal_token_makes_no_check_runs_but_a_status(hub: Rig, pull: Pull, kind: str, prefix: str) -> None:
    token = hub.forge.add_token("alice", kind=kind, prefix=prefix, statuses="write", pull_requests="write")
    note = Note(fingerprint="n", path="a", line=1, end_line=1, severity="info", title="t", message="m")

    async def go(p: Platform) -> Any:
        status = Status(state="neutral", title="nothing to say", notes=(note,))
        return p.profile, await p.set_status(await p.pull_request(), status)

    profile, posted = hub.run(pull, go, token=token)
    assert "checks: write" in profile.missing["check_run"]
    assert [(mark.kind, mark.state) for mark in hub.forge.marks] == [("status", "success")]
    assert [(p.ok, p.why) for p in posted] == [(False, profile.missing["check_run"])]


def test_without_checks_write_the_status_takes_over_and_says_what_to_grant(hub: Rig, pull: Pull) -> None:
    token = hub.forge.add_token(kind="installation", prefix="ghs", statuses="write")

    async def go(p: Platform) -> Any:
        await p.set_status(await p.pull_request(), Status(state="failure", title="2 blockers"))
        return p.profile

    profile = hub.run(pull, go, token=token)
    assert [mark.kind for mark in hub.forge.marks] == ["status"]
    assert Cap.CHECK_RUN not in profile.caps
    assert "checks: write" in profile.missing["check_run"]


def test_a_lacking_permission_is_named_as_github_names_it(hub: Rig, pull: Pull) -> None:
    token = hub.forge.add_token(kind="installation", prefix="ghs", contents="read")

    async def go(p: Platform) -> Any:
        await p.create_comment(await p.pull_request(), "x")

    with pytest.raises(DeniedError) as caught:
        hub.run(pull, go, token=token)
    assert "issues=write; pull_requests=write" in caught.value.hint
    assert "LOOM_TOKEN" in caught.value.hint


def test_without_a_token_what_was_said_in_public_can_be_read(hub: Rig, pull: Pull) -> None:
    said_in_a_thread(hub, pull)
    threads = threads_of(hub, pull, token=None)
    assert [c.body for t in threads for c in t.comments] == ["mine", "no", "general"]
    assert not hub.server.requests("POST")


def test_without_a_token_a_public_pull_request_can_be_read(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        return p.profile, await p.diff(pr), p.git_credential()

    profile, diff, credential = hub.run(pull, go, token=None)
    assert Cap.BATCH_REVIEW not in profile.caps
    assert "LOOM_TOKEN" in profile.missing["write"]
    assert len(diff.files) == 3
    assert credential is None


def test_an_enterprise_server_has_its_own_addresses_and_tells_its_version(hub: Rig, pull: Pull) -> None:
    hub.fake.enterprise = "3.17.4"
    posted, profile = review(hub, pull, draft(pull))
    assert posted[0].ok
    assert profile.server_version == "3.17.4"
    assert profile.login == "loom-bot[bot]"
    paths = {entry.request.path for entry in hub.server.journal}
    assert "/api/graphql" in paths
    assert all(path.startswith("/api/") for path in paths)


@pytest.mark.parametrize(
    ("root", "graphql"),
    [
        ("https://api.github.com", "https://api.github.com/graphql"),
        ("https://api.octo.ghe.com", "https://api.octo.ghe.com/graphql"),
        ("https://git.example/api/v3", "https://git.example/api/graphql"),
    ],
)
def test_graphql_is_where_each_kind_of_github_has_it(hub: Rig, root: str, graphql: str) -> None:
    from loom.platforms.http import Api

    setup = hub.setup(1)
    project = Project(platform="github", api_url=root, web_url="https://x", repo="a/b")
    api = Api(type(setup)(project=project, number=1, token=None, network=setup.network), {})
    assert github_graphql.Graph(api)._url == graphql


# -- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", github_graphql.NUMBERS)
@pytest.mark.parametrize("document", github_graphql.DOCUMENTS)
def test_every_document_is_valid_against_the_schema(document: str, number: str) -> None:
    assert validate(schema(), parse(document.replace("NUMBER", number))) == []


# -- the diff ---------------------------------------------------------------------------------------------------------


def lines(file: FileChange) -> list[tuple[str, int | None, int | None, str]]:
    return [(line.kind, line.old, line.new, line.text) for line in file.lines()]


def truth(hub: Rig, pull: Pull) -> dict[str, list[tuple[str, int | None, int | None, str]]]:
    return {
        file.path: [(line.kind, line.old, line.new, line.text) for hunk in file.hunks for line in hunk]
        for file in hub.forge.diff(pull).files
    }


MANY = {
    "app.py": "".join(f"line {n}\n" for n in range(1, 60)) + "last without an end",
    "moved/util.py": "def f():\n    return 1\n",
    "lib/util.py": None,
    "logo.png": b"\x89PNG\x00\x02",
    "old.txt": None,
    "empty": "",
    'odd "name"\t.txt': "ä\r\nb\n",
}


@pytest.mark.parametrize(("limit", "source"), [({"max_diff_files": 2}, "files"), ({"max_diff_lines": 5}, "files")])
def test_a_diff_that_is_too_large_is_read_file_by_file(hub: Rig, limit: dict[str, int], source: str) -> None:
    pull = hub.forge.open_pull(MANY)
    for name, value in limit.items():
        setattr(hub.fake, name, value)
    diff = diff_of(hub, pull)
    assert diff.source == source
    assert diff.unread == ()
    assert {f.path: lines(f) for f in diff.files} == truth(hub, pull)
    by_path = {f.path: f for f in diff.files}
    assert by_path["moved/util.py"].status == "renamed"
    assert by_path["moved/util.py"].old_path == "lib/util.py"
    assert by_path["logo.png"].binary
    assert not by_path["empty"].binary
    assert by_path["old.txt"].status == "deleted"
    assert by_path["app.py"].added == 1
    assert by_path["app.py"].deleted == 1


def test_a_file_without_a_patch_is_compared_from_its_two_versions(hub: Rig) -> None:
    hub.forge.commit("main", {"later.txt": "the target went on\n"})
    pull = hub.forge.open_pull(MANY, start=hub.forge.tip("main") + "~1")
    hub.fake.max_diff_files, hub.fake.max_patch_lines = 1, 0
    diff = diff_of(hub, pull)
    assert diff.source == "blobs"
    assert {f.path: [x for x in lines(f) if x[0] != " "] for f in diff.files} == {
        path: [x for x in rows if x[0] != " "] for path, rows in truth(hub, pull).items()
    }
    assert not any(f.unreadable for f in diff.files)


def test_files_beyond_githubs_list_are_said_to_be_unread(hub: Rig) -> None:
    pull = hub.forge.open_pull({f"src/f{n}.txt": f"{n}\n" for n in range(330)})
    hub.fake.max_listed = 320
    diff = diff_of(hub, pull)
    assert len(diff.files) == 320
    assert [unread.reason for unread in diff.unread] == ["GitHub lists only 320 of 330 changed files"]
    assert len(hub.server.requests("GET", "/files")) == 4


def test_a_link_a_folder_and_a_submodule_are_no_files(hub: Rig) -> None:
    work = hub.forge._work.root
    (work / "link").symlink_to("app.py")
    pull = hub.forge.open_pull({"deep/er/file.txt": "x\n", "big.bin": b"\1" * (6 << 20)})

    async def go(p: Platform) -> Any:
        names = ("link", "deep", "deep/er/file.txt", "deep/er/none", "app.py/x", "big.bin", "nope/x")
        return [await p.file(name, pull.head) for name in names]

    assert hub.run(pull, go) == [None, None, b"x\n", None, None, None, None]


# -- reviews ----------------------------------------------------------------------------------------------------------


def test_thirty_findings_are_one_review_and_few_requests(hub: Rig, pull: Pull) -> None:
    drafts = [draft(pull, f"f{n}", line=7 + n % 8, kind="context") for n in range(30)]
    posted, _ = review(hub, pull, *drafts)
    assert all(p.ok and p.comment_id for p in posted)
    assert len({p.comment_id for p in posted}) == 30
    assert len(hub.forge.reviews) == 1
    assert len(hub.server.writes) == 1
    sent = json.loads(hub.server.writes[0].request.raw)
    assert (sent["event"], sent["commit_id"]) == ("COMMENT", pull.head)


def test_one_bad_line_rejects_the_whole_review_and_nothing_is_posted(hub: Rig, pull: Pull) -> None:
    with pytest.raises(RejectedError) as caught:
        review(hub, pull, draft(pull, "good"), draft(pull, "bad", line=50, kind="context"))
    assert "must be part of the diff" in caught.value.said
    assert hub.forge.said == []


def test_a_range_over_two_hunks_is_refused_in_githubs_words(hub: Rig, pull: Pull) -> None:
    with pytest.raises(RejectedError, match="same hunk"):
        review(hub, pull, draft(pull, line=30, start_line=10, kind="context"))


def test_comments_on_files_follow_the_review_one_by_one(hub: Rig, pull: Pull) -> None:
    whole = Draft(fingerprint="file", anchor=Anchor(path="app.py"), body="b", marker="loom:1:f:x")
    gone = Draft(fingerprint="gone", anchor=Anchor(path="nowhere.py"), body="b", marker="loom:1:f:y")
    posted, _ = review(hub, pull, whole, draft(pull), gone)
    assert [(p.fingerprint, p.ok) for p in posted] == [("file", True), ("f1", True), ("gone", False)]
    assert "Path could not be resolved" in (posted[2].why or "")
    assert hub.time.delays == [1.0, 1.0], "writes keep the gap that GitHub asks for"


def test_a_head_that_was_pushed_away_is_stale_and_not_refused(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        pull.heads.clear()
        hub.forge.push(pull, {"app.py": "new\n"}, force_from="main")
        await p.post_review(pr, [draft(pull)], "", "comment")

    with pytest.raises(StaleError):
        hub.run(pull, go)


@pytest.mark.parametrize("verdict", ["approve", "request_changes"])
def test_a_verdict_that_is_not_allowed_is_refused_by_name_and_nothing_is_posted(hub: Rig, verdict: Any) -> None:
    pull = hub.forge.open_pull(CHANGE, author="loom-bot")

    async def go(p: Platform) -> Any:
        with pytest.raises(RejectedError, match="your own pull request") as caught:
            await p.post_review(await p.pull_request(), [draft(pull)], "b", verdict)
        return caught.value.hint, p.profile

    hint, profile = hub.run(pull, go)
    assert hub.forge.reviews == []
    assert profile.missing[verdict] == hint
    assert {"approve": Cap.APPROVE, "request_changes": Cap.REQUEST_CHANGES}[verdict] not in profile.caps


def test_actions_may_not_approve_where_the_setting_forbids_it(hub: Rig, pull: Pull) -> None:
    hub.fake.may_approve = False
    with pytest.raises(RejectedError) as caught:
        review(hub, pull, verdict="approve")
    assert "settings" in caught.value.hint


def test_an_approval_is_given_where_it_may_be(hub: Rig, pull: Pull) -> None:
    review(hub, pull, verdict="approve")
    assert [r.state for r in hub.forge.reviews] == ["APPROVED"]


# -- leftovers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["after-reading-threads", "first-thing"])
def test_a_pending_review_of_ours_is_discarded(hub: Rig, pull: Pull, known: bool) -> None:
    leave_pending(hub.forge, pull, "", comment=f"x\n\n<!-- {draft(pull).marker} -->")

    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        if known:
            await p.threads(pr)
        count = await p.discard_pending(pr)
        again = await p.discard_pending(pr)
        await p.post_review(pr, [draft(pull)], "", "comment")
        return count, again

    assert hub.run(pull, go) == (1, 0)
    assert [r.state for r in hub.forge.reviews] == ["COMMENTED"]


def test_a_pending_review_of_a_person_is_left_alone_and_named(hub: Rig, pull: Pull) -> None:
    leave_pending(hub.forge, pull, "my thoughts", hub.forge.users["alice"])
    token = hub.forge.add_token("alice", prefix="ghp", pull_requests="write", contents="write")

    async def go(p: Platform) -> Any:
        await p.discard_pending(await p.pull_request())

    with pytest.raises(RejectedError) as caught:
        hub.run(pull, go, token=token)
    assert caught.value.slug == "platform-pending"
    assert len(hub.forge.reviews) == 1
    assert hub.run(pull, lambda p: other(p)) == 0, "nobody else's pending review is in the way"


async def other(p: Platform) -> int:
    return await p.discard_pending(await p.pull_request())


# -- threads ----------------------------------------------------------------------------------------------------------


def said_in_a_thread(hub: Rig, pull: Pull) -> Any:
    talk = hub.forge.start_talk(pull.number, "app.py", "new", 10)
    said = hub.forge.say(pull.number, hub.forge.bot, "mine", talk=talk)
    said.reactions += [("-1", "alice"), ("+1", "octo")]
    hub.forge.say(pull.number, hub.forge.users["alice"], "no", talk=talk)
    talk.resolved, talk.resolved_by = True, "alice"
    hub.forge.say(pull.number, hub.forge.bot, "general")
    return talk


def test_what_is_resolved_by_whom_and_felt_by_whom_is_known(hub: Rig, pull: Pull) -> None:
    said_in_a_thread(hub, pull)
    inline = next(t for t in threads_of(hub, pull) if t.path)
    assert (inline.resolved, inline.resolved_by, inline.resolved_by_self) == (True, "alice", False)
    assert inline.comments[0].reactions == {"-1": ("alice",), "+1": ("octo",)}
    assert [(c.author, c.by_self, c.by_bot) for c in inline.comments] == [
        ("loom-bot[bot]", True, True),
        ("alice", False, False),
    ]


def test_everything_is_read_with_one_question_where_it_fits(hub: Rig, pull: Pull) -> None:
    said_in_a_thread(hub, pull)
    threads_of(hub, pull)
    assert len(hub.server.requests("POST", "graphql")) == 2, "who we are, and what was said"
    assert len(hub.server.journal) == 5


def test_a_long_thread_is_read_to_its_end(hub: Rig, pull: Pull) -> None:
    talk = said_in_a_thread(hub, pull)
    for n in range(170):
        hub.forge.say(pull.number, hub.forge.users["alice"], f"more {n}", talk=talk)
    inline = next(t for t in threads_of(hub, pull) if t.path)
    assert len(inline.comments) == 172
    assert inline.comments[-1].body == "more 169"


def test_a_server_that_does_not_know_the_new_numbers_is_asked_for_the_old(hub: Rig, pull: Pull) -> None:
    said_in_a_thread(hub, pull)
    hub.fake.new_numbers = False
    assert {t.resolved for t in threads_of(hub, pull)} == {True, False}


def test_without_graphql_rest_tells_what_it_knows(hub: Rig, pull: Pull) -> None:
    talk = said_in_a_thread(hub, pull)
    hub.fake.graphql = False
    hub.forge.reviews.append(leave_pending(hub.forge, pull, "x"))
    hub.forge.reviews.pop()

    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        threads = await p.threads(pr)
        inline = next(t for t in threads if t.path)
        with pytest.raises(DeniedError, match="may not resolve"):
            await p.resolve(pr, inline)
        await p.reply(pr, inline, "fixed")
        return threads, p.profile

    threads, profile = hub.run(pull, go)
    inline = next(t for t in threads if t.path)
    assert [c.body for c in inline.comments] == ["mine", "no"]
    assert (inline.line, inline.side, inline.can_resolve) == (10, "new", False)
    assert inline.comments[0].reactions == {"-1": ("",), "+1": ("",)}
    assert not any(c.by_self for t in threads for c in t.comments), "who we are is unknown: only a signature counts"
    assert "contents: write" in profile.missing["resolve"]
    assert [said.body for said in talk.comments][-1] == "fixed"


def test_resolving_wants_contents_write_and_says_so(hub: Rig, pull: Pull) -> None:
    talk = said_in_a_thread(hub, pull)
    talk.resolved = False
    token = hub.forge.add_token(kind="installation", prefix="ghs", pull_requests="write", contents="read")

    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        inline = next(t for t in await p.threads(pr) if t.path)
        assert not inline.can_resolve
        with pytest.raises(DeniedError) as caught:
            await p.resolve(pr, inline)
        await p.minimise(pr, inline)
        return caught.value.hint, p.profile.caps

    hint, caps = hub.run(pull, go, token=token)
    assert "contents: write" in hint
    assert Cap.RESOLVE not in caps
    assert not talk.resolved
    assert talk.comments[0].minimised == "OUTDATED"


def test_the_answer_forbidden_of_graphql_is_a_lacking_permission(hub: Rig, pull: Pull) -> None:
    talk = said_in_a_thread(hub, pull)
    talk.resolved = False

    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        inline = next(t for t in await p.threads(pr) if t.path)
        for credential in hub.forge.tokens.values():
            credential.permissions["contents"] = "read"  # taken away meanwhile
        await p.resolve(pr, inline)

    with pytest.raises(DeniedError) as caught:
        hub.run(pull, go)
    assert "contents: write" in caught.value.hint
    assert "Resource not accessible by integration" in caught.value.said


def test_the_body_of_a_review_is_a_comment_that_can_be_edited_but_not_deleted(hub: Rig, pull: Pull) -> None:
    review(hub, pull, draft(pull), body="all in all")

    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        body = next(t for t in await p.threads(pr) if t.comments[0].body == "all in all")
        await p.edit_comment(pr, body, "on second thoughts")
        await p.reply(pr, body, "an answer")
        with pytest.raises(DeniedError):
            await p.delete_comment(pr, body)

    hub.run(pull, go)
    assert hub.forge.reviews[0].body == "on second thoughts"
    assert [said.body for said in hub.forge.general(1)] == ["an answer"]


def test_a_line_that_is_gone_is_outdated_and_keeps_its_number(hub: Rig, pull: Pull) -> None:
    review(hub, pull, draft(pull))
    hub.forge.push(pull, {"app.py": "all new\n"})
    inline = next(t for t in threads_of(hub, pull) if t.path)
    assert inline.outdated
    assert inline.line == 11


# -- statuses ---------------------------------------------------------------------------------------------------------


def test_a_check_run_is_begun_filled_in_portions_and_ended(hub: Rig, pull: Pull) -> None:
    notes = tuple(
        Note(
            fingerprint=f"n{n}",
            path="app.py",
            line=None,
            end_line=None,
            severity="blocker",
            title="t" * 300,
            message="m",
        )
        for n in range(1_050)
    )

    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        await p.set_status(pr, Status(state="pending", title="reviewing"))
        return await p.set_status(pr, Status(state="failure", title="done", summary="s" * 70_000, notes=notes))

    posted = hub.run(pull, go)
    assert [(mark.state, len(mark.notes)) for mark in hub.forge.marks] == [("failure", 1_000)]
    assert [p.ok for p in posted].count(False) == 50
    assert "1,000" in (posted[-1].why or "")


# -- text -------------------------------------------------------------------------------------------------------------


def test_suggestions_are_committable_on_the_new_side_only(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        return p

    p = hub.run(pull, go)
    new, old = draft(pull), draft(pull, line=30, side="old", kind="removed")
    with_text = [
        type(d)(fingerprint="x", anchor=d.anchor, body="", marker="", suggestion=s)
        for d in (new, old)
        for s in ("a\n", "")
    ]
    assert [p.suggestion(d) for d in with_text] == [
        "```suggestion\na\n\n```",
        "```suggestion\n```",
        "```\na\n\n```",
        "```\n```",
    ]


def test_permalinks_to_rendered_files_ask_for_their_source(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        return [
            p.permalink(pr, "README.md", 3, 3),
            p.permalink(pr, "a.py", None, None),
            p.permalink(pr, "a\udcff", 1, 2),
        ]

    readme, whole, odd = hub.run(pull, go)
    assert readme.endswith(f"/octo/demo/blob/{pull.head}/README.md?plain=1#L3")
    assert whole.endswith("/a.py")
    assert odd.endswith("/a%FF#L1-L2")


# -- what the platform does wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"number": "x"}, [], None, {"number": 1, "title": None}])
def test_an_answer_of_another_shape_is_an_error_and_no_crash(hub: Rig, pull: Pull, body: Any) -> None:
    body = body if body is not None else [None]
    hub.server.faults.add(Fault(path="pulls/1$", status=200, body=body))
    with pytest.raises(PlatformError, match="no usable"):
        hub.run(pull, lambda p: p.pull_request())


def test_a_renamed_repository_says_so(hub: Rig, pull: Pull) -> None:
    hub.server.faults.add(Fault(path="pulls/1$", status=301, headers={"Location": "/repositories/1/pulls/1"}))
    with pytest.raises(PlatformError) as caught:
        hub.run(pull, lambda p: p.pull_request())
    assert "renamed" in caught.value.hint


def test_a_secondary_limit_is_waited_for_and_the_write_repeated(hub: Rig, pull: Pull) -> None:
    said = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
    hub.server.faults.add(Fault(method="POST", path="reviews", status=403, body=said))
    posted, _ = review(hub, pull, draft(pull))
    assert posted[0].ok
    assert len(hub.forge.reviews) == 1
    assert any(60 <= delay <= 62 for delay in hub.time.delays)


def test_an_exhausted_allowance_is_waited_for_until_its_reset(hub: Rig, pull: Pull) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795219230", "Date": "Fri, 20 Nov 2026 20:00:00 GMT"}
    hub.server.faults.add(Fault(method="GET", path="pulls/1$", status=403, headers=headers))
    hub.run(pull, lambda p: p.pull_request())
    assert len(hub.server.requests("GET", "pulls/1$")) == 2
    assert hub.time.delays


def test_the_review_was_posted_though_its_list_of_comments_cannot_be_had(hub: Rig, pull: Pull) -> None:
    hub.server.faults.add(Fault(method="GET", path="reviews/.*/comments", status=500, times=0))
    posted, _ = review(hub, pull, draft(pull))
    assert [(p.ok, p.comment_id) for p in posted] == [(True, None)]


def test_a_review_whose_answer_got_lost_is_there_to_be_found(hub: Rig, pull: Pull) -> None:
    hub.server.faults.add(Fault("reset", "POST", "reviews", acted=True))
    with pytest.raises(DownError) as caught:
        review(hub, pull, draft(pull))
    assert caught.value.acted
    assert [t.line for t in threads_of(hub, pull) if t.path] == [11]


def test_a_deleted_comment_that_hides_a_lacking_permission_is_no_success(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        await p.create_comment(pr, "x")
        hub.server.faults.add(Fault(method="DELETE", status=404))
        await p.delete_comment(pr, (await p.threads(pr))[0])

    with pytest.raises(DeniedError):
        hub.run(pull, go)
    assert len(hub.forge.general(1)) == 1


def test_probe_tells_a_bad_token_at_once_and_a_hidden_repository_later(hub: Rig, pull: Pull) -> None:
    async def nothing(p: Platform) -> Any:
        return p.profile

    with pytest.raises(AuthError):
        hub.run(pull, nothing, token="ghs_wrong")
    hub.server.faults.add(Fault(method="GET", path="/repos/octo/demo$", status=404))
    assert "may see it" in hub.run(pull, nothing).missing["repository"]


def test_a_commit_of_a_fork_is_found_among_the_open_pull_requests(hub: Rig) -> None:
    pull = hub.forge.open_pull(CHANGE, fork=True)
    assert hub.run(0, lambda p: p.pr_of_commit(pull.head)) == 1
    pull.open = False
    assert hub.run(0, lambda p: p.pr_of_commit(pull.head)) is None


def test_commits_without_a_common_history_have_no_merge_base(hub: Rig, pull: Pull) -> None:
    assert hub.run(pull, lambda p: p.merge_base("0" * 40, pull.head)) is None


def test_a_comment_that_is_gone_cannot_be_folded_away(hub: Rig, pull: Pull) -> None:
    async def go(p: Platform) -> Any:
        pr = await p.pull_request()
        made = await p.create_comment(pr, "x")
        hub.forge.general(1)[0].deleted = True
        p._nodes.clear()  # type: ignore[attr-defined]  # as after a restart
        await p.minimise(pr, Thread(id="x", comments=(made,)))

    with pytest.raises(MissingError):
        hub.run(pull, go)


def test_the_tip_of_the_target_is_where_the_branch_is_now(tmp_path: Path) -> None:
    """A pull request's own `base.sha` is older: configuration read there could be a weaker one."""
    with rig("github", tmp_path / "forge", files={"a.py": "x = 1\n"}) as up:
        opened = up.forge.open_pull({"a.py": "x = 2\n"})
        before = up.forge.tip("main")
        up.forge.commit("main", {"b.py": "y = 1\n"})

        async def read(platform: Platform) -> PullRequest:
            return await platform.pull_request()

        pr = up.run(opened, read)
        assert (pr.base_sha, pr.merge_base) == (up.forge.tip("main"), before)
