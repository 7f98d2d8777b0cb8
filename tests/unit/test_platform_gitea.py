"""Reading from Gitea and Forgejo, and what they let one do: real HTTP, their servers' rules, and a real
repository under it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.forge.faults import Fault
from support.forge.gitea_talk import draft, inline, post, spots, threads
from support.forge.rig import CHANGE, Rig, rig

from loom.platforms.base import AuthError, Cap, DeniedError, Platform
from loom.platforms.values import Status

BOTH = pytest.mark.parametrize("kind", ["gitea", "forgejo"])


@pytest.fixture
def kind() -> str:
    return "gitea"


@pytest.fixture
def it(kind: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(kind, tmp_path) as made:
        yield made


# ---- reading


@BOTH
def test_a_pull_request_is_read_with_its_merge_base(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE, title="Change", body="Why", labels=("bug",), draft=True)
    it.forge.commit("main", {"other.py": "moved on\n"})
    pr = it.run(pull, lambda p: p.pull_request())
    assert (pr.number, pr.title, pr.body, pr.author) == (1, "Change", "Why", "alice")
    assert (pr.draft, pr.open, pr.labels, pr.fork) == (True, True, ("bug",), False)
    assert (pr.source_branch, pr.target_branch, pr.source_repo) == ("topic", "main", "octo/demo")
    assert (pr.head_sha, pr.base_sha) == (pull.head, it.forge.tip("main"))
    assert pr.merge_base == it.forge.merge_base(pull) != pr.base_sha
    assert pr.changed_files == 3


@BOTH
def test_a_fork_a_deleted_fork_and_a_push_for_review_count_as_forks(it: Rig) -> None:
    fork = it.forge.open_pull({"a.txt": "a\n"}, fork=True)
    gone = it.forge.open_pull({"b.txt": "b\n"}, fork=True)
    gone.source_repo = None
    agit = it.forge.open_pull({"c.txt": "c\n"}, branch="c")
    it.fake.agit.add(agit.number)
    found = [it.run(pull, lambda p: p.pull_request()) for pull in (fork, gone, agit)]
    assert [pr.fork for pr in found] == [True, True, True]
    assert [pr.source_repo for pr in found] == ["stranger/demo", None, "octo/demo"]


@BOTH
def test_the_diff_is_that_from_the_merge_base(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    it.forge.commit("main", {"unrelated.py": "x\n"})

    async def use(platform: Platform) -> Any:
        return await platform.diff(await platform.pull_request())

    diff = it.run(pull, use)
    assert [(f.path, f.status) for f in diff.files] == [
        ("app.py", "modified"),
        ("new file.py", "added"),
        ("old.txt", "deleted"),
    ]
    assert (diff.unread, diff.source) == ((), "raw")


def test_a_file_that_the_servers_diff_leaves_out_is_reported_by_name(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    whole = it.forge.diff(pull)
    it.forge._diffs[it.forge.merge_base(pull), pull.head] = type(whole)(whole.files[0].raw, whole.files)

    async def use(platform: Platform) -> Any:
        return await platform.diff(await platform.pull_request())

    diff = it.run(pull, use)
    assert [f.path for f in diff.files] == ["app.py"]
    assert [u.path for u in diff.unread] == ["new file.py", "old.txt"]


def test_an_unreadable_diff_leaves_every_file_unread(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    whole = it.forge.diff(pull)
    it.forge._diffs[it.forge.merge_base(pull), pull.head] = type(whole)(b"no diff at all\n", whole.files)

    async def use(platform: Platform) -> Any:
        return await platform.diff(await platform.pull_request())

    diff = it.run(pull, use)
    assert diff.files == ()
    assert [u.path for u in diff.unread] == ["app.py", "new file.py", "old.txt"]


@BOTH
def test_files_are_read_at_a_commit_and_only_regular_ones(it: Rig) -> None:
    odd = {"dir/ü ?#%.txt": b"\xff\x00bytes\n", "empty": b"", "big": b"x" * (5 * 1024 * 1024 + 1)}
    pull = it.forge.open_pull({**CHANGE, **odd})
    link = it.forge.repo.git("hash-object", "-w", "--stdin", stdin=b"app.py")
    tree = it.forge.repo.git("ls-tree", "-z", pull.head).replace("\0", "\n") + f"\n120000 blob {link}\tlink"
    made = it.forge.repo.git("mktree", stdin=tree.replace("\n\n", "\n").encode("utf-8", "surrogateescape"))
    at = it.forge.repo.git("commit-tree", made, "-m", "link")

    async def use(platform: Platform) -> list[bytes | None]:
        names = ["dir/ü ?#%.txt", "empty", "app.py", "big", "link", "dir", "nowhere"]
        return [await platform.file(name, at) for name in names]

    regular, empty, app, *others = it.run(pull, use)
    assert (regular, empty) == (b"\xff\x00bytes\n", b"")
    assert app is not None
    assert app.startswith(b"line 1\n")
    assert others == [None, None, None, None]


@pytest.mark.parametrize("content", [None, "%%%"])
def test_a_file_without_its_content_is_read_raw(it: Rig, content: str | None) -> None:
    pull = it.forge.open_pull(CHANGE)
    answer = {"type": "file", "size": 30, "encoding": "base64", "content": content}
    it.server.faults.add(Fault(method="GET", path="/contents/", status=200, body=answer))
    assert it.run(pull, lambda p: p.file("new file.py", pull.head)) == CHANGE["new file.py"].encode()


@BOTH
def test_folders_are_listed_at_a_commit(it: Rig) -> None:
    rules = {".loom/config.yaml": "version: 1\n", ".loom/rules/a b.yaml": "x\n", ".loom/rules/ü.yaml": "y\n"}
    pull = it.forge.open_pull(rules)

    async def use(platform: Platform) -> list[tuple[str, ...]]:
        folders = [".loom", ".loom/rules", "nowhere", "."]
        return [await platform.names(folder, pull.head) for folder in folders]

    loom, within, nowhere, root = it.run(pull, use)
    assert (loom, within, nowhere) == (("config.yaml", "rules"), ("a b.yaml", "ü.yaml"), ())
    assert {".loom", "app.py", "lib"} <= set(root)


def test_the_pull_request_of_a_commit_is_found_among_the_open_ones(it: Rig) -> None:
    it.fake.max_items = 2
    pulls = [it.forge.open_pull({f"{n}.txt": "x\n"}, branch=f"b{n}") for n in range(5)]
    pulls[1].open = False

    async def use(platform: Platform) -> list[int | None]:
        return [await platform.pr_of_commit(sha) for sha in (pulls[0].head, pulls[1].head, "0" * 40)]

    assert it.run(0, use) == [1, None, None]


# ---- what the server and the token can do


@pytest.mark.parametrize(
    ("kind", "version", "expected"),
    [
        ("gitea", "1.23.6", (False, False)),
        ("gitea", "1.26.0", (True, False)),
        ("gitea", "1.27.0+dev-12-gabcdef0", (True, False)),
        ("forgejo", "11.0.1+gitea-1.22.0", (False, False)),
        ("forgejo", "16.0.1+gitea-1.22.0", (False, True)),
        ("gitea", "nonsense", (True, False)),
    ],
)
def test_the_version_says_what_can_be_done(it: Rig, version: str, expected: tuple[bool, bool]) -> None:
    it.fake.version = version

    async def use(platform: Platform) -> tuple[Cap, dict[str, str]]:
        return platform.profile.caps, dict(platform.profile.missing)

    caps, missing = it.run(0, use)
    assert (Cap.RESOLVE in caps, Cap.MULTILINE in caps) == expected
    assert ("resolve" not in missing, "multiline" not in missing) == expected
    assert Cap.SUGGESTIONS not in caps
    assert Cap.FILE_COMMENT not in caps


def test_forgejo_is_recognised_behind_the_name_of_gitea(tmp_path: Path) -> None:
    with rig("forgejo", tmp_path) as it:
        project = it.fake.project(it.server.url)
        setup_as_gitea = type(project)(
            platform="gitea", api_url=project.api_url, web_url=project.web_url, repo=project.repo
        )

        async def use(platform: Platform) -> Cap:
            return platform.profile.caps

        assert Cap.MULTILINE in it.run(0, use, project=setup_as_gitea)


def test_a_server_that_hides_its_version_is_taken_as_the_job_tells_it(it: Rig) -> None:
    it.server.faults.add(Fault(method="GET", path="/version$", status=403, times=0))

    async def use(platform: Platform) -> tuple[bool, str | None]:
        return Cap.RESOLVE in platform.profile.caps, platform.profile.server_version

    assert it.run(0, use, server_version="1.25.4") == (False, "1.25.4")
    assert it.run(0, use) == (True, None)


@BOTH
def test_what_a_token_lacks_is_said_with_how_to_get_it(it: Rig) -> None:
    async def use(platform: Platform) -> dict[str, str]:
        return {**platform.profile.missing, "as": str(platform.profile.login)}

    no_user = it.forge.add_token(repository="write", issue="write")
    assert "read:user" in it.run(0, use, token=no_user)["login"]
    it.forge.roles["loom-bot"] = "read"
    reader = it.run(0, use, token=it.fake.writing_token())
    assert reader["as"] == "loom-bot"
    assert "write access" in reader["commit_status"]
    assert "administrator" in reader["access_lookup"]
    assert not {"commit_status", "access_lookup"} & it.run(0, use).keys()


@BOTH
@pytest.mark.parametrize("shown", [True, False])
def test_a_jobs_own_token_knows_its_comments(it: Rig, shown: bool) -> None:
    it.fake.shows_job_user = shown
    pull = it.forge.open_pull(CHANGE)
    token = it.fake.job_token()
    post(it, pull, draft(), token=token)
    (thread,) = inline(threads(it, pull, token=token))
    assert (thread.comments[0].by_self, thread.comments[0].by_bot) == (True, True)
    (other,) = inline(threads(it, pull))
    assert (other.comments[0].by_self, other.comments[0].by_bot) == (False, True)


def test_a_token_that_may_not_ask_who_it_is_learns_it_from_what_it_wrote(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)
    nameless = it.forge.add_token(repository="write", issue="write")

    async def use(platform: Platform) -> list[bool]:
        pr = await platform.pull_request()
        before = [t.comments[0].by_self for t in await platform.threads(pr)]
        await platform.post_single(pr, draft(11, n=2))
        return before + [t.comments[0].by_self for t in await platform.threads(pr)]

    post(it, pull, draft())
    assert it.run(pull, use, token=nameless) == [False, True, True]


def test_a_wrong_token_is_named_by_its_variable_and_never_shown(it: Rig) -> None:
    with pytest.raises(AuthError) as caught:
        it.run(0, lambda p: p.pull_request(), token="wrong-token-0123456789", variable="GITEA_TOKEN")
    assert "GITEA_TOKEN" in caught.value.hint
    assert "0123456789" not in f"{caught.value.message} {caught.value.hint}"


def test_a_server_under_a_path_works(tmp_path: Path) -> None:
    with rig("gitea", tmp_path, prefix="/git") as it:
        it.fake.contract = it.fake.contract_under("/git")
        pull = it.forge.open_pull(CHANGE)
        post(it, pull, draft())
        assert spots(it, pull) == [("app.py", "new", 10)]
        link = it.run(pull, _link)
        assert link == f"{it.server.url}/octo/demo/src/commit/{pull.head}/new%20file.py#L1-L2"


async def _link(platform: Platform) -> str:
    return platform.permalink(await platform.pull_request(), "new file.py", 1, 2)


# ---- statuses and rights


@BOTH
def test_the_status_says_what_the_review_did_and_neutral_is_never_green(it: Rig) -> None:
    pull = it.forge.open_pull(CHANGE)

    async def use(platform: Platform) -> None:
        pr = await platform.pull_request()
        for state in ("pending", "success", "failure", "error", "neutral"):
            await platform.set_status(pr, Status(state=state, title="t" * 400, url="https://ci.invalid/1"))

    it.run(pull, use)
    assert [m.state for m in it.forge.marks] == ["pending", "success", "failure", "error", "warning"]
    assert {(m.sha, m.name, len(m.description)) for m in it.forge.marks} == {(pull.head, "loom", 250)}


@BOTH
def test_rights_are_asked_from_the_server_and_a_refusal_is_an_error(it: Rig) -> None:
    it.forge.add_user("writer", "write")
    it.forge.add_user("reader", "read")
    it.forge.add_user("nobody", "none")
    it.forge.open_pull(CHANGE)

    async def ask(platform: Platform) -> list[str]:
        return [await platform.access_of(name) for name in ("octo", "writer", "reader", "nobody", "loom-bot")]

    assert it.run(1, ask) == ["admin", "write", "read", "none", "admin"]
    it.forge.roles["loom-bot"] = "write"

    async def owner_and_self(platform: Platform) -> list[str]:
        with pytest.raises(DeniedError, match="Only admins"):
            await platform.access_of("writer")
        return [await platform.access_of(name) for name in ("octo", "OCTO", "loom-bot")]

    assert it.run(1, owner_and_self, token=it.fake.writing_token()) == ["admin", "admin", "write"]


def test_a_name_with_odd_letters_asks_for_that_name_only(it: Rig) -> None:
    it.forge.add_user("a/../writer", "none")

    async def use(platform: Platform) -> str:
        return await platform.access_of("a/../writer")

    assert it.run(0, use) == "none"


@BOTH
def test_git_gets_an_address_without_a_credential_and_the_credential_apart(it: Rig) -> None:
    token = it.fake.full_token()

    async def use(platform: Platform) -> tuple[str, tuple[str, str] | None]:
        return platform.clone_url(), platform.git_credential()

    assert it.run(0, use, token=token) == (f"{it.server.url}/octo/demo.git", ("loom-bot", token))
    assert it.run(0, use, token=None, probe=False)[1] is None


@pytest.mark.parametrize("scope", ["repository", "issue"])
def test_every_lacking_scope_is_a_refusal_in_the_servers_words(it: Rig, scope: str) -> None:
    pull = it.forge.open_pull(CHANGE)
    token = it.forge.add_token(**{"repository": "write", "issue": "write", "user": "read", scope: "read"})

    async def use(platform: Platform) -> None:
        pr = await platform.pull_request()
        if scope == "issue":
            await platform.create_comment(pr, "Summary.")
        else:
            await platform.post_review(pr, [draft()], "", "comment")

    with pytest.raises(DeniedError) as caught:
        it.run(pull, use, token=token)
    assert f"required=[write:{scope}]" in caught.value.said
    assert token not in f"{caught.value!r} {caught.value.message} {caught.value.hint}"
