"""What GitLab does differently from every other platform, in reading and in rights: Loom's adapter against a fake with
GitLab's own rules. Posting is in test_platform_gitlab_posting.py, what all share in test_platform_contract.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.gitlab_desk import context, draft, read, review, threads
from support.forge.rig import CHANGE, Rig, rig

from loom.platforms.base import Cap, DeniedError, MissingError, Platform, PlatformError
from loom.platforms.values import Status

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # openapi-core's, not ours


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("gitlab", tmp_path) as made:
        yield made


@pytest.fixture
def pull(forge: Rig) -> Pull:
    forge.forge.add_user("alice", "write")
    return forge.forge.open_pull(CHANGE, author="alice")


# -- who we are, and what that may ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "variable", "header"),
    [
        ("glpat-0123456789", "LOOM_GITLAB_TOKEN", "private-token"),
        ("0" * 64, "LOOM_TOKEN", "authorization"),
        ("glcbt-64_0123456789", "LOOM_TOKEN", "job-token"),
        ("0123456789abcdef", "CI_JOB_TOKEN", "job-token"),
    ],
)
def test_every_kind_of_token_goes_into_its_own_header(
    forge: Rig, pull: Pull, token: str, variable: str, header: str
) -> None:
    with pytest.raises(PlatformError):
        read(forge, pull, token=token, variable=variable, probe=False)
    sent = forge.server.journal[0].request.headers
    assert [name for name in ("private-token", "authorization", "job-token") if name in sent] == [header]


def test_a_developers_token_on_a_new_server_can_do_everything(forge: Rig, pull: Pull) -> None:
    profile = forge.run(pull, lambda p: p.probe())
    assert profile.login == "loom-bot"
    assert profile.server_version == "19.3.0-ee"
    assert profile.missing == {}
    assert Cap.BATCH_REVIEW | Cap.FILE_COMMENT | Cap.RESOLVE | Cap.REQUEST_CHANGES in profile.caps
    assert not profile.caps & (Cap.ATOMIC_BATCH | Cap.MINIMISE | Cap.CHECK_RUN)


def test_an_older_server_says_what_it_lacks(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.version = "16.3.9"
    profile = forge.run(pull, lambda p: p.probe())
    assert profile.missing == {
        "file_comment": "needs GitLab 16.4; this is 16.3.9",
        "request_changes": "needs GitLab 19.2; this is 16.3.9",
    }
    assert not profile.caps & (Cap.FILE_COMMENT | Cap.REQUEST_CHANGES)


def test_the_version_that_the_job_tells_is_not_asked_for(forge: Rig, pull: Pull) -> None:
    profile = forge.run(pull, lambda p: p.probe(), server_version="16.4.0-ee")
    assert Cap.FILE_COMMENT in profile.caps
    assert forge.server.requests(path="/version") == []


def test_a_reporters_token_comments_and_leaves_the_rest(forge: Rig, pull: Pull) -> None:
    forge.forge.add_user("loom-bot", "read")
    profile = forge.run(pull, lambda p: p.probe())
    assert not profile.caps & (Cap.RESOLVE | Cap.APPROVE | Cap.COMMIT_STATUS)
    assert "Developer" in profile.missing["resolve"]
    assert [p.ok for p in review(forge, pull, [draft(forge, pull, "a")])] == [True]


def test_a_token_that_may_only_read_is_known_before_the_first_write(forge: Rig, pull: Pull) -> None:
    profile = forge.run(pull, lambda p: p.probe(), token="reading")
    assert Cap.BATCH_REVIEW not in profile.caps
    assert "scope `api`" in profile.missing["write"]


def test_the_jobs_own_token_reads_the_merge_request_its_files_and_its_notes_and_writes_nothing(
    forge: Rig, pull: Pull
) -> None:
    review(forge, pull, [draft(forge, pull, "a")])
    forge.forge.say(pull.number, forge.forge.users["alice"], "general")
    token = {"token": forge.fake.job_token(), "variable": "CI_JOB_TOKEN"}

    async def look(p: Platform) -> Any:
        pr = await p.pull_request()
        content = await p.file("app.py", pr.head_sha)
        return p.profile, pr.base_sha, content, await p.threads(pr), p.git_credential()

    profile, base, content, found, credential = forge.run(pull, look, **token)
    assert not profile.caps & (Cap.BATCH_REVIEW | Cap.EDIT_COMMENT | Cap.COMMIT_STATUS)
    assert profile.missing["write"].startswith("the job's own CI_JOB_TOKEN may only read: make a project access token")
    assert base == forge.forge.tip("main")
    assert content == str(CHANGE["app.py"]).encode()
    assert [(t.path, t.comments[0].body.partition("\n")[0]) for t in found] == [("app.py", "**a**"), (None, "general")]
    assert credential == ("gitlab-ci-token", token["token"])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_write_with_the_jobs_own_token_says_which_token_it_takes(forge: Rig, pull: Pull, status: int) -> None:
    forge.server.faults.add(Fault(method="POST", status=status))

    async def go(p: Platform) -> Any:
        return await p.create_comment(await p.pull_request(), "summary")

    with pytest.raises(DeniedError) as caught:
        forge.run(pull, go, token=forge.fake.job_token(), variable="CI_JOB_TOKEN")
    assert caught.value.hint.startswith("the job's own token may only read: make a project access token")


def test_a_server_below_a_sub_path_and_a_project_in_nested_groups_are_reached(tmp_path: Path) -> None:
    with rig("gitlab", tmp_path, prefix="/dev/git") as made:
        made.fake.contract.prefix = "/dev/git"
        made.forge.name = "team/tools/demo"
        made.forge.add_user("alice", "write")
        pull = made.forge.open_pull(CHANGE, author="alice")
        assert [p.ok for p in review(made, pull, [draft(made, pull, "a")])] == [True]
        targets = [entry.request.target for entry in made.server.journal]
        assert all(target.startswith("/dev/git/api/v4/") for target in targets)
        assert any("/projects/team%2Ftools%2Fdemo/" in target for target in targets)

        async def link(p: Platform) -> tuple[str, str]:
            return p.permalink(await p.pull_request(), "app.py", 7, 9), p.clone_url()

        permalink, clone = made.run(pull, link)
        assert permalink == f"{made.server.url}/team/tools/demo/-/blob/{pull.head}/app.py#L7-9"
        assert clone == f"{made.server.url}/team/tools/demo.git"


# -- the merge request ------------------------------------------------------------------------------------------------


def test_a_diff_that_gitlab_still_prepares_is_waited_for(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.preparing = 3
    assert read(forge, pull).merge_base == forge.forge.merge_base(pull)
    assert forge.time.delays == [1.0, 2.0, 3.0]


def test_a_diff_that_never_comes_is_an_error_after_half_a_minute(forge: Rig, pull: Pull) -> None:
    forge.fake.quirks.preparing = 1000
    with pytest.raises(PlatformError, match="has not prepared the diff of merge request !1") as caught:
        read(forge, pull)
    assert caught.value.hint == "run again in a minute"
    assert forge.time.now == 30


def test_the_base_is_the_targets_tip_now_and_not_what_it_was_at_the_last_push(forge: Rig, pull: Pull) -> None:
    before = read(forge, pull)
    tip = forge.forge.commit("main", {"later.txt": "x\n"})
    after = read(forge, pull)
    assert (before.merge_base, after.merge_base) == (before.base_sha, before.base_sha)
    assert after.base_sha == tip


def test_a_deleted_fork_is_a_fork_without_a_name(forge: Rig) -> None:
    pull = forge.forge.open_pull(CHANGE, fork=True)
    pull.source_repo = None
    pr = read(forge, pull)
    assert pr.fork
    assert pr.source_repo is None


def test_a_thousand_files_and_more_are_not_a_number(forge: Rig, pull: Pull) -> None:
    assert read(forge, pull).changed_files == 3
    forge.fake.quirks.most_files = 2
    assert read(forge, pull).changed_files is None


def test_how_many_comments_there_are_counts_answers_and_leaves_out_what_gitlab_says_itself(
    forge: Rig, pull: Pull
) -> None:
    alice = forge.forge.users["alice"]
    talk = forge.forge.start_talk(pull.number, "app.py", "new", 11)
    for body in ("one", "two"):
        forge.forge.say(pull.number, alice, body, talk=talk)
    forge.forge.say(pull.number, alice, "changed the description").extra["system"] = True
    assert read(forge, pull).comments == 2


# -- the diff ---------------------------------------------------------------------------------------------------------

MUCH = {
    **CHANGE,
    "moved/util.py": "def f():\n    return 1\n",
    "lib/util.py": None,
    "logo.png": b"\x89PNG\x00\x02",
    "empty.txt": "",
    "tail.txt": "no line feed at the end",
}


def lines_of(diff: Any) -> dict[str, list[tuple[str, int | None, int | None, str]]]:
    return {file.path: [(line.kind, line.old, line.new, line.text) for line in file.lines()] for file in diff.files}


def truth(forge: Rig, pull: Pull) -> dict[str, list[tuple[str, int | None, int | None, str]]]:
    return {
        file.path: [(line.kind, line.old, line.new, line.text) for hunk in file.hunks for line in hunk]
        for file in forge.forge.diff(pull).files
    }


def diff_of(forge: Rig, pull: Pull) -> Any:
    async def go(p: Platform) -> Any:
        return await p.diff(await p.pull_request())

    return forge.run(pull, go)


@pytest.fixture
def much(forge: Rig) -> Pull:
    forge.forge.add_user("alice", "write")
    return forge.forge.open_pull(MUCH, author="alice")


def test_without_raw_diffs_the_files_are_listed_in_pages_that_gitlab_can_bear(forge: Rig) -> None:
    forge.fake.quirks.raw_diffs = False
    forge.forge.add_user("alice", "write")
    many = {**MUCH, **{f"many/{n:03}.txt": f"{n}\n" for n in range(70)}}
    pull = forge.forge.open_pull(many, author="alice")
    diff = diff_of(forge, pull)
    assert diff.source == "blobs"  # of the empty file, whose lines may have been left out
    assert diff.unread == ()
    assert lines_of(diff) == truth(forge, pull)
    status = {file.path: (file.status, file.old_path, file.binary) for file in diff.files}
    assert status["moved/util.py"] == ("renamed", "lib/util.py", False)
    assert status["logo.png"] == ("modified", None, True)
    assert status["old.txt"] == ("deleted", None, False)
    pages = forge.server.requests(path=r"/diffs\?")
    assert len(pages) == 3
    assert all(entry.request.query["per_page"] == "30" for entry in pages)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("admits", [True, False])
def test_lines_that_gitlab_leaves_out_are_found_by_comparing_both_sides(
    forge: Rig, much: Pull, admits: bool, raw: bool
) -> None:
    forge.fake.quirks.raw_diffs = raw
    forge.fake.quirks.collapsed = {"app.py", "new file.py", "old.txt", "tail.txt"}
    forge.fake.quirks.says_too_large = admits
    diff = diff_of(forge, much)
    assert diff.source == "blobs"
    assert lines_of(diff) == truth(forge, much)
    assert not any(file.unreadable for file in diff.files)


def test_lines_that_cannot_be_had_at_all_make_the_file_unreadable(forge: Rig, much: Pull) -> None:
    forge.fake.quirks.raw_diffs = False
    forge.fake.quirks.collapsed = {"app.py"}
    forge.server.faults.add(Fault(path="files/app.py/raw", status=403, times=0))
    found = {file.path: file.unreadable for file in diff_of(forge, much).files}
    assert found["app.py"] == "GitLab left its lines out of the diff, and the file could not be read: 403 Forbidden"
    assert [why for path, why in found.items() if path != "app.py"] == [None] * (len(found) - 1)


@pytest.mark.parametrize("raw", [True, False])
def test_files_beyond_what_gitlab_gives_are_said_to_be_unread(forge: Rig, much: Pull, raw: bool) -> None:
    forge.fake.quirks.raw_diffs = raw
    forge.fake.quirks.most_files = 4
    diff = diff_of(forge, much)
    assert len(diff.files) == 4
    said_ = [(u.path, u.reason) for u in diff.unread]
    assert said_ == [(None, "GitLab gives 4 changed files and may have more")]


def test_a_merge_request_that_changes_nothing_has_an_empty_diff(forge: Rig) -> None:
    forge.forge.add_user("alice", "write")
    diff = diff_of(forge, forge.forge.open_pull({}, author="alice"))
    assert (diff.files, diff.unread) == ((), ())


def test_a_symbolic_link_is_no_file(forge: Rig, pull: Pull) -> None:
    forge.forge.commit("main", {"lib/short": "/etc/passwd"})
    git, folder = forge.forge.repo.git, "100644 blob {0}\tshort\n120000 blob {0}\tlink\n"
    link = git("hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    lib = git("mktree", stdin=folder.format(link).encode())
    sha = git("commit-tree", git("mktree", stdin=f"040000 tree {lib}\tlib\n".encode()), "-m", "a link")

    async def go(p: Platform) -> list[bytes | None]:
        return [await p.file("lib/link", sha), await p.file("lib/short", sha), await p.file("lib", sha)]

    assert forge.run(pull, go) == [None, b"/etc/passwd", None]
    assert len(forge.server.requests("GET", "files/lib%2Flink/raw")) == 1


def test_a_file_of_more_than_five_megabytes_is_not_read(forge: Rig, pull: Pull) -> None:
    sha = forge.forge.commit("main", {"big.txt": "x" * (5 * 1024 * 1024 + 1)})
    assert forge.run(pull, lambda p: p.file("big.txt", sha)) is None


def test_the_merge_base_of_two_commits_is_asked_for(forge: Rig, pull: Pull) -> None:
    base = forge.forge.merge_base(pull)
    tip = forge.forge.commit("main", {"later.txt": "x\n"})
    assert forge.run(pull, lambda p: p.merge_base(tip, pull.head)) == base
    assert forge.run(pull, lambda p: p.merge_base(tip, "0" * 40)) is None


# -- what was said ----------------------------------------------------------------------------------------------------


def test_threads_tell_who_resolved_them_what_is_outdated_and_who_liked_ours(forge: Rig, pull: Pull) -> None:
    alice = forge.forge.users["alice"]
    review(forge, pull, [draft(forge, pull, "a"), draft(forge, pull, "b", context(8))])
    forge.forge.inline(pull.number)[0].reactions += [("thumbsdown", "alice"), ("thumbsup_tone3", "alice")]
    talks = list(forge.forge.talks_of(pull.number))
    talks[1].resolved, talks[1].resolved_by = True, "alice"
    other = forge.forge.start_talk(pull.number, "app.py", "new", 8)
    forge.forge.say(pull.number, alice, "mine", talk=other)
    forge.forge.say(pull.number, alice, "assigned to @bob").extra["system"] = True
    forge.forge.push(pull, {"app.py": str(CHANGE["app.py"]).replace("added 10b", "other 10b")})
    found = {t.comments[0].body.partition("\n")[0]: t for t in threads(forge, pull)}
    assert set(found) == {"**a**", "**b**", "mine"}
    a, b = found["**a**"], found["**b**"]
    assert (a.outdated, a.resolved, a.comments[0].reactions) == (True, False, {"-1": ("alice",), "+1": ("alice",)})
    assert (b.outdated, b.resolved, b.resolved_by, b.resolved_by_self) == (False, True, "alice", False)
    asked = forge.server.requests("GET", "award_emoji")
    assert len(asked) == 1, "only open comments of ours are asked about"


def test_an_answer_to_a_general_comment_is_a_comment_and_makes_no_thread_to_resolve(forge: Rig, pull: Pull) -> None:
    forge.forge.say(pull.number, forge.forge.users["alice"], "/loom help")

    async def go(p: Platform) -> None:
        pr = await p.pull_request()
        await p.reply(pr, (await p.threads(pr))[0], "help")

    forge.run(pull, go)
    assert len(forge.forge.general(pull.number)) == 2
    assert forge.forge.talks == []


def test_a_comment_that_somebody_deleted_is_missing(forge: Rig, pull: Pull) -> None:
    review(forge, pull, [draft(forge, pull, "a")])
    thread = threads(forge, pull)[0]
    forge.forge.inline(pull.number)[0].deleted = True

    async def edit(p: Platform) -> None:
        await p.edit_comment(await p.pull_request(), thread, "new")

    async def resolve(p: Platform) -> None:
        await p.resolve(await p.pull_request(), thread)

    for act in (edit, resolve):
        with pytest.raises(MissingError):
            forge.run(pull, act)


# -- statuses and rights ---------------------------------------------------------------------------------------------


def status(forge: Rig, pull: Pull, state: Any = "success", **more: Any) -> None:
    async def go(p: Platform) -> None:
        await p.set_status(await p.pull_request(), Status(state=state, title="fine", **more))

    forge.run(pull, go)


def test_a_status_joins_the_pipeline_of_the_head(forge: Rig, pull: Pull) -> None:
    forge.fake.pipelines[pull.head] = 4711
    status(forge, pull, "failure", url="https://ci.example/job/1")
    mark = forge.forge.marks[0]
    assert (mark.name, mark.state, mark.description) == ("loom", "failed", "fine")
    assert mark.extra["pipeline_id"] == 4711
    assert mark.extra["target_url"] == "https://ci.example/job/1"


def test_what_is_incomplete_is_neither_a_success_nor_a_failure(forge: Rig, pull: Pull) -> None:
    status(forge, pull, "neutral")
    assert forge.forge.marks[0].state == "skipped"


def test_the_status_of_a_fork_stands_in_the_fork(forge: Rig) -> None:
    pull = forge.forge.open_pull(CHANGE, fork=True)
    forge.fake.pipelines[pull.head] = 12
    status(forge, pull)
    assert forge.forge.marks[0].extra["project"] == str(forge.fake.source_id(pull))
    assert forge.forge.marks[0].extra["pipeline_id"] == 12


def test_there_is_no_status_for_a_fork_that_is_gone(forge: Rig) -> None:
    pull = forge.forge.open_pull(CHANGE, fork=True)
    pull.source_repo = None
    with pytest.raises(DeniedError, match="gone"):
        status(forge, pull)


def test_a_status_that_is_so_already_is_fine(forge: Rig, pull: Pull) -> None:
    status(forge, pull, "pending")
    status(forge, pull, "pending")
    assert len(forge.forge.marks) == 1


def test_rights_are_those_of_exactly_this_user(forge: Rig, pull: Pull) -> None:
    forge.forge.add_user("carolina", "admin")
    forge.forge.add_user("carol", "read")
    assert forge.run(pull, lambda p: p.access_of("Carol")) == "read"
    assert forge.run(pull, lambda p: p.access_of("caro")) == "none"


def test_a_second_receipt_is_fine(forge: Rig, pull: Pull) -> None:
    comment = forge.forge.say(pull.number, forge.forge.users["alice"], "/loom review")

    async def go(p: Platform) -> None:
        for _ in range(2):
            await p.react(str(comment.id), "+1", inline=False)

    forge.run(pull, go)
    assert comment.reactions == [("thumbsup", "loom-bot")]
    with pytest.raises(DeniedError):
        forge.run(pull, lambda p: p.react("999999", "+1", inline=False))
