"""A pull request read from a forge as a change: by git where it can, over the API where it cannot, always the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.forge.rig import CHANGE, FAKES, Rig, rig, there
from support.repos import Repo

from loom.core.change import ChangeSet
from loom.core.errors import SourceError
from loom.infra.git import Git
from loom.infra.git_fetch import Remote
from loom.infra.loop_thread import LoopThread
from loom.platforms import make, pull
from loom.platforms.base import MissingError, PlatformError
from loom.platforms.ci_context import CiContext

NAMES = [name for name in FAKES if there(name)]


@pytest.fixture(params=NAMES)
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with rig(request.param, tmp_path / "forge") as up:
        yield up


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path / "forge") as up:
        yield up


class Reading:
    """Reads pull requests of one forge; what it opened is closed at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.slept: list[float] = []

    def __call__(
        self, forge: Rig, number: int, *, git: Git | None = None, fetch: bool = True, ci: CiContext | None = None
    ) -> pull.Pull:
        bridge = self._stack.enter_context(LoopThread())
        setup = forge.setup(number)
        platform: Any = make(setup)
        self._stack.callback(lambda: bridge.call(setup.network.aclose()))
        self._stack.callback(lambda: bridge.call(platform.aclose()))
        self._stack.callback(bridge.settle)
        remote = Remote(url=platform.clone_url(), credential=platform.git_credential())

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        source = pull.Source(
            platform=platform,
            project=setup.project,
            bridge=bridge,
            ci=ci,
            objects=git,
            fetch=(lambda commits: git.fetch(remote, commits)) if git is not None and fetch else None,
            sleep=sleep,
        )
        return bridge.call(pull.read(source))

    def bare(self) -> Git:
        """An empty repository."""
        return self._stack.enter_context(Git.bare(os.environ))

    def at(self, checkout: Repo) -> Git:
        """A checkout."""
        return self._stack.enter_context(Git.discover(checkout.root, os.environ))


@pytest.fixture
def read() -> Iterator[Reading]:
    with ExitStack() as stack:
        yield Reading(stack)


def moved_on(forge: Rig, **more: Any) -> Any:
    """A pull request whose target went on and changed the same file."""
    opened = forge.forge.open_pull(CHANGE, title="Total in euro", body="Because.", **more)
    forge.forge.commit("main", {"lib/util.py": "def f():\n    return 2\n", ".loom/config.yaml": "version: 1\n"})
    forge.forge.commit("main", {".loom/rules/own.yaml": "id: own\n"})
    return opened


def shape(change: ChangeSet) -> list[tuple[str, str, int, int]]:
    return sorted((file.path, file.status, file.added, file.deleted) for file in change.files)


EXPECTED = [("app.py", "modified", 2, 2), ("new file.py", "added", 2, 0), ("old.txt", "deleted", 0, 3)]


def about(forge: Rig, opened: Any, **given: Any) -> CiContext:
    values: dict[str, Any] = {
        "ci": "test", "project": forge.fake.project(forge.server.url), "event": "pr", "number": opened.number,
        "head_sha": opened.head, "base_sha": forge.forge.tip("main"), "privileged": False,
    }  # fmt: skip
    return CiContext(**{**values, **given})


# -- what is read -----------------------------------------------------------------------------------------------------


def test_without_a_checkout_the_change_is_what_left_the_target(forge: Rig, read: Reading) -> None:
    opened = moved_on(forge)
    found = read(forge, opened.number, git=read.bare())
    ref = found.change.ref
    assert found.how == "git"
    assert shape(found.change) == EXPECTED
    assert found.change.unread == ()
    assert (ref.source, ref.title, ref.head_sha) == ("pr", "Total in euro", opened.head)
    assert (ref.base_sha, ref.merge_base) == (forge.forge.tip("main"), forge.forge.merge_base(opened))
    assert (ref.fork, ref.trusted, ref.target_branch, ref.author) == (False, True, "main", "alice")
    assert found.files.head("new file.py") == b"import os\nos.system(input())\n"
    assert found.files.base("old.txt") == b"one\ntwo\nthree\n"
    assert found.files.head("old.txt") is None


def test_the_api_gives_the_same_change_and_files(forge: Rig, read: Reading) -> None:
    opened = moved_on(forge)
    by_git, by_api = read(forge, opened.number, git=read.bare()), read(forge, opened.number)
    assert by_api.how == "api"
    assert shape(by_api.change) == EXPECTED
    for path in ("app.py", "new file.py"):
        assert by_api.files.head(path) == by_git.files.head(path)
    for path in ("app.py", "old.txt"):
        assert by_api.files.base(path) == by_git.files.base(path)
    assert [notice.slug for notice in by_api.notices] == ["api-diff"]


def test_a_forks_head_is_read_out_of_the_target_repository(forge: Rig, read: Reading) -> None:
    opened = moved_on(forge, fork=True)
    found = read(forge, opened.number, git=read.bare())
    assert found.how == "git"
    assert shape(found.change) == EXPECTED
    assert (found.change.ref.fork, found.change.ref.trusted) == (True, False)


def test_configuration_is_that_of_the_targets_tip_and_not_of_the_head(forge: Rig, read: Reading) -> None:
    evil = {".loom/config.yaml": "version: 1\npipelines: []\n", ".loom/rules/evil.yaml": "id: evil\n"}
    opened = moved_on(forge)
    forge.forge.push(opened, evil)
    for git in (read.bare(), None):
        found = read(forge, opened.number, git=git)
        assert found.tip.commit == forge.forge.tip("main")
        assert found.tip.read(".loom/config.yaml") == b"version: 1\n"
        assert found.tip.read(".loom/nothing.yaml") is None
        names = found.tip.names(".loom/rules")
        assert names is None or set(names) == {"own.yaml"}


def test_at_gits_tip_folders_are_listed(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    tip = read(github, opened.number, git=read.bare()).tip
    assert set(tip.names(".") or ()) == {".loom", "app.py", "lib", "old.txt", "logo.png"}
    assert set(tip.names("lib") or ()) == {"util.py"}
    assert set(tip.names(".loom") or ()) == {"config.yaml", "rules"}
    assert set(tip.names("no") or ()) == set()


# -- checkouts --------------------------------------------------------------------------------------------------------


def shallow_merge(forge: Rig, opened: Any, root: Path) -> Repo:
    """What a CI checks out by itself: a merge commit, one deep, detached."""
    origin = forge.forge.repo
    tree = origin.git("merge-tree", "--write-tree", forge.forge.tip("main"), opened.head).split("\n")[0]
    merge = origin.git("commit-tree", tree, "-p", forge.forge.tip("main"), "-p", opened.head, "-m", "merge")
    origin.git("update-ref", "refs/pull/merge", merge)
    checkout = Repo.init(root)
    url = origin.root.resolve().as_uri()
    checkout.git("-c", "protocol.file.allow=always", "fetch", "-q", "--depth=1", url, "+refs/pull/merge:refs/heads/m")
    checkout.git("checkout", "-q", "--detach", "refs/heads/m")
    return checkout


def full(forge: Rig, opened: Any, root: Path) -> Repo:
    """A whole clone at the head."""
    clone = Repo(forge.forge.repo.root).clone(root)
    clone.git("checkout", "-q", "--detach", opened.head)
    return clone


def one_deep(forge: Rig, opened: Any, root: Path) -> Repo:
    """Only the tip of main."""
    return Repo(forge.forge.repo.root).clone(root, "--depth=1", "--branch=main")


@pytest.mark.parametrize("checked_out", [shallow_merge, full, one_deep])
def test_every_checkout_leads_to_the_same_change_and_stays_as_it_is(
    github: Rig, read: Reading, tmp_path: Path, checked_out: Callable[[Rig, Any, Path], Repo]
) -> None:
    opened = moved_on(github)
    checkout = checked_out(github, opened, tmp_path / "checkout")
    before = checkout.snapshot()
    found = read(github, opened.number, git=read.at(checkout), ci=about(github, opened))
    assert found.how == "git"
    assert shape(found.change) == EXPECTED
    assert found.change.ref.merge_base == github.forge.merge_base(opened)
    assert checkout.snapshot() == before


def test_a_whole_clone_needs_nothing_fetched(github: Rig, read: Reading, tmp_path: Path) -> None:
    opened = moved_on(github)
    found = read(github, opened.number, git=read.at(full(github, opened, tmp_path / "checkout")))
    assert found.how == "git"
    assert not github.server.requests(path=".*git-upload-pack.*")


def test_a_server_that_hands_out_no_commits_is_asked_over_its_api(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    github.server.git_allowed = lambda token: False
    found = read(github, opened.number, git=read.bare())
    assert found.how == "api"
    assert shape(found.change) == EXPECTED
    assert "git fetch" in found.notices[0].message


# -- what has no review -----------------------------------------------------------------------------------------------


def test_a_head_that_moved_on_is_stale(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    ci = about(github, opened)
    github.forge.push(opened, {"more.py": "x = 1\n"})
    found = read(github, opened.number, git=read.bare(), ci=ci)
    assert found.how == "none"
    assert found.skipped is not None
    assert found.skipped.startswith("stale: the head is")
    assert found.change.files == ()


def test_a_shortened_head_of_the_event_is_the_same_head(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    found = read(github, opened.number, git=read.bare(), ci=about(github, opened, head_sha=opened.head[:12]))
    assert found.skipped is None


def test_a_platform_that_lags_behind_its_own_event_is_waited_for(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    ci = about(github, opened, head_sha="f" * 40, before_sha=opened.head)
    found = read(github, opened.number, git=read.bare(), ci=ci)
    assert read.slept == [1.0, 2.0, 4.0]
    assert found.skipped is not None


def test_a_closed_pull_request_is_left_alone_in_ci_and_read_on_request(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    opened.open = False
    assert (
        read(github, opened.number, git=read.bare(), ci=about(github, opened)).skipped == "the pull request is closed"
    )
    assert read(github, opened.number, git=read.bare()).skipped is None


def test_no_such_pull_request_is_an_error_before_any_work(forge: Rig, read: Reading) -> None:
    with pytest.raises(PlatformError) as caught:
        read(forge, 99, git=read.bare())
    assert isinstance(caught.value, MissingError)
    assert isinstance(pull.as_source_error(caught.value), SourceError)


# -- speed ------------------------------------------------------------------------------------------------------------


def test_what_the_event_tells_is_fetched_while_the_platform_is_asked(github: Rig, read: Reading) -> None:
    opened = moved_on(github)
    github.server.latency_s = 0.05
    found = read(github, opened.number, git=read.bare(), ci=about(github, opened))
    assert found.how == "git"
    assert github.server.most_at_once >= 2  # the pull request and its merge base, besides git
    # The pull request, its merge base, and the target branch's tip as it is now.
    assert len(github.server.requests("GET", r".*/(pulls/1|compare/.*)")) == 3


def test_the_pull_request_of_a_commit_is_found_by_its_head(forge: Rig, read: Reading) -> None:
    opened = moved_on(forge)
    ci = about(forge, opened, number=None, event="push")
    setup = forge.setup(0)
    with LoopThread() as bridge:
        platform = make(setup)
        assert bridge.call(pull.number_of(platform, ci)) == opened.number
        assert bridge.call(pull.number_of(platform, about(forge, opened, number=None, head_sha="1" * 40))) is None
        bridge.call(platform.aclose())
        bridge.call(setup.network.aclose())
