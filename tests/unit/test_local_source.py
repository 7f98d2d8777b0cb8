"""Each source of a local change: what it compares, and the one line it says where it cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.repos import Repo

from loom.core.change import ChangeSet
from loom.core.errors import SourceError
from loom.infra import checkout
from loom.infra.git import Git
from loom.platforms.local import commit, diff_file, local, range_, staged

TEXT = "".join(f"line {n}\n" for n in range(1, 31))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(tmp_path / "repo")


@pytest.fixture
def git(repo: Repo) -> Iterator[Git]:
    with Git.discover(repo.root, os.environ) as opened:
        yield opened


def summary(change: ChangeSet) -> dict[str, tuple[str, int, int]]:
    assert change.unread == ()
    return {f.path: (f.status, f.added, f.deleted) for f in change.files}


# -- --local ----------------------------------------------------------------------------------------------------------


def test_local_is_what_the_branch_and_the_working_tree_add_to_the_default_branch(repo: Repo, git: Git) -> None:
    base = repo.commit("base", {"a.py": TEXT})
    repo.branch("feature")
    repo.commit("on the branch", {"b.py": "1\n"})
    repo.git("switch", "-q", "main")
    tip = repo.commit("main went on", {"c.py": "1\n"})
    repo.git("switch", "-q", "feature")
    repo.write({"a.py": TEXT + "more\n", "untracked.py": "1\n2\n"})
    change, files = local(git)
    assert summary(change) == {"a.py": ("modified", 1, 0), "b.py": ("added", 1, 0), "untracked.py": ("added", 2, 0)}
    assert (change.ref.source, change.ref.target_branch) == ("local", "main")
    assert (change.ref.base_sha, change.ref.merge_base) == (tip, base)
    assert files.head("untracked.py") == b"1\n2\n"
    assert files.head("a.py") == (TEXT + "more\n").encode()
    assert files.base("a.py") == TEXT.encode()
    assert files.base("untracked.py") is None
    assert files.head("c.py") is None


def test_local_compares_with_what_was_pushed_where_there_is_an_upstream(repo: Repo, tmp_path: Path) -> None:
    repo.commit("base", {"a.py": "1\n"})
    clone = repo.clone(tmp_path / "clone")
    clone.branch("feature")
    clone.commit("pushed", {"pushed.py": "1\n"})
    clone.git("push", "-q", "-u", "origin", "feature")
    clone.commit("not pushed", {"new.py": "1\n"})
    with Git.discover(clone.root, os.environ) as git:
        change, _ = local(git)
        assert summary(change) == {"new.py": ("added", 1, 0)}
        assert change.ref.target_branch == "origin/feature"
        assert summary(local(git, base="origin/main")[0]) == {"new.py": ("added", 1, 0), "pushed.py": ("added", 1, 0)}


@pytest.mark.parametrize("branch", ["main", "trunk"])
def test_on_the_default_branch_or_without_any_local_is_what_is_not_committed(tmp_path: Path, branch: str) -> None:
    repo = Repo.init(tmp_path / "repo", branch=branch)
    repo.commit("first", {"a.py": "1\n"})
    head = repo.commit("second", {"b.py": "1\n"})
    repo.write({"a.py": "2\n"})
    with Git.discover(repo.root, os.environ) as git:
        change, _ = local(git)
    assert summary(change) == {"a.py": ("modified", 1, 1)}
    assert change.ref.base_sha == change.ref.merge_base == head


def test_before_the_first_commit_everything_is_new(repo: Repo, git: Git) -> None:
    repo.write({"a.py": "1\n", "b.py": "2\n"}).git("add", "a.py")
    change, files = local(git)
    assert summary(change) == {"a.py": ("added", 1, 0), "b.py": ("added", 1, 0)}
    assert (change.ref.base_sha, change.ref.merge_base) == (None, git.empty_tree)
    assert files.head("b.py") == b"2\n"
    assert summary(staged(git)[0]) == {"a.py": ("added", 1, 0)}
    with pytest.raises(SourceError, match='no commit "HEAD"'):
        commit(git, "HEAD")


def test_nothing_changed_is_a_change_without_files(repo: Repo, git: Git) -> None:
    assert summary(local(git)[0]) == {}
    head = repo.commit("first", {"a.py": "1\n"})
    assert summary(local(git)[0]) == summary(staged(git)[0]) == summary(range_(git, "HEAD", "HEAD")[0]) == {}
    repo.commit("empty")
    assert summary(commit(git, "HEAD")[0]) == {}
    assert summary(local(git, base=head)[0]) == {}


def test_a_detached_head_is_compared_with_the_default_branch(repo: Repo, git: Git) -> None:
    repo.commit("base", {"a.py": "1\n"})
    repo.git("checkout", "-q", "--detach")
    repo.commit("loose", {"b.py": "1\n"})
    assert summary(local(git)[0]) == {"b.py": ("added", 1, 0)}


def test_a_bare_repository_says_what_to_use_instead(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", {"a.py": "1\n"})
    repo.commit("second", {"a.py": "2\n"})
    bare = repo.clone(tmp_path / "bare.git", "--bare")
    with Git.discover(bare.root, os.environ) as git:
        for source in (local, staged):
            with pytest.raises(SourceError) as caught:
                source(git)
            assert caught.value.slug == "bare-repository"
            assert "--base" in caught.value.hint
        assert summary(commit(git, "main")[0]) == {"a.py": ("modified", 1, 1)}
        assert summary(range_(git, "main~1", "main")[0]) == {"a.py": ("modified", 1, 1)}


def test_a_shallow_clone_says_how_to_get_the_rest(repo: Repo, tmp_path: Path) -> None:
    repo.commit("base", {"a.py": "1\n"})
    repo.branch("feature")
    repo.commit("side", {"b.py": "1\n"})
    repo.git("switch", "-q", "main")
    repo.commit("main goes on", {"a.py": "2\n"})
    shallow = repo.clone(tmp_path / "shallow", "--depth=1", "--no-single-branch", "--branch=feature")
    with Git.discover(shallow.root, os.environ) as git:
        with pytest.raises(SourceError, match="shallow clone does not reach back") as caught:
            range_(git, "main")
        assert "git fetch --unshallow" in caught.value.hint
        assert "fetch-depth: 0" in caught.value.hint
        with pytest.raises(SourceError, match="origin/main"):
            local(git, base="origin/main")
        shallow.write({"b.py": "2\n"})
        assert summary(local(git)[0]) == {"b.py": ("modified", 1, 1)}


def test_unrelated_histories_say_so(repo: Repo, git: Git) -> None:
    repo.commit("first", {"a.py": "1\n"})
    repo.git("switch", "-q", "--orphan", "pages")
    repo.commit("unrelated", {"index.html": "x\n"})
    with pytest.raises(SourceError, match="the change and main have no common history") as caught:
        local(git)
    assert "--base" in caught.value.hint


# -- --staged, --base/--head, --commit --------------------------------------------------------------------------------


def test_staged_is_the_index_and_not_the_working_tree(repo: Repo, git: Git) -> None:
    head = repo.commit("first", {"a.py": "1\n"})
    repo.write({"a.py": "1\n2\n", "b.py": "1\n"}).git("add", "a.py")
    repo.write({"a.py": "1\n2\n3\n"})
    change, files = staged(git)
    assert summary(change) == {"a.py": ("modified", 1, 0)}
    assert (change.ref.source, change.ref.base_sha) == ("staged", head)
    assert files.head("a.py") == b"1\n2\n"


def test_a_range_starts_at_the_merge_base_as_a_pull_request_does(repo: Repo, git: Git) -> None:
    base = repo.commit("base", {"a.py": TEXT})
    repo.branch("feature")
    head = repo.commit("renamed", {"b.py": "1\n"})
    repo.git("switch", "-q", "main")
    tip = repo.commit("main goes on", {"c.py": "1\n"})
    change, _ = range_(git, "main", "feature")
    assert summary(change) == {"b.py": ("added", 1, 0)}
    ref = change.ref
    assert (ref.source, ref.base_sha, ref.head_sha, ref.merge_base) == ("range", tip, head, base)
    assert summary(range_(git, "feature")[0]) == {"c.py": ("added", 1, 0)}


def test_a_commit_is_compared_with_its_first_parent(repo: Repo, git: Git) -> None:
    first = repo.commit("First\n\nWhy", {"a.py": "1\n"})
    repo.branch("side")
    repo.commit("side", {"side.py": "1\n"})
    repo.git("switch", "-q", "main")
    second = repo.commit("main", {"main.py": "1\n"})
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    change, _ = commit(git, "HEAD")
    assert summary(change) == {"side.py": ("added", 1, 0)}
    assert change.ref.base_sha == change.ref.merge_base == second
    root, files = commit(git, first)
    assert summary(root) == {"a.py": ("added", 1, 0)}
    assert (root.ref.title, root.ref.description, root.ref.author) == ("First", "Why", "Test")
    assert (root.ref.base_sha, root.ref.merge_base) == (None, git.empty_tree)
    assert (files.head("a.py"), files.base("a.py")) == (b"1\n", None)


# -- --diff -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def patched(repo: Repo) -> tuple[Repo, bytes]:
    """A checkout that stands after a change, and the diff of it."""
    repo.commit("base", {"mod.py": TEXT, "old.py": TEXT, "gone.py": "bye\n", "same.py": "1\n"})
    repo.git("mv", "old.py", "new.py")
    repo.git("rm", "-q", "gone.py")
    repo.commit("head", {"mod.py": TEXT.replace("line 9\n", "line nine\n"), "added.py": "x\ny", "pic": b"\0"})
    return repo, (repo.git("diff", "-M", "HEAD~1", "HEAD") + "\n").encode()


def test_files_that_fit_a_diff_serve_as_whole_files_on_both_sides(patched: tuple[Repo, bytes]) -> None:
    repo, data = patched
    change, files = diff_file(data, root=repo.root)
    assert change.ref.source == "diff"
    assert {f.path: f.status for f in change.files} == {
        "added.py": "added", "gone.py": "deleted", "mod.py": "modified", "new.py": "renamed", "pic": "added"
    }  # fmt: skip
    assert files.head("mod.py") == TEXT.replace("line 9\n", "line nine\n").encode()
    assert files.base("mod.py") == files.base("old.py") == files.head("new.py") == TEXT.encode()
    assert (files.head("added.py"), files.base("added.py")) == (b"x\ny", None)
    assert (files.head("gone.py"), files.base("gone.py")) == (None, b"bye\n")
    assert files.head("pic") is files.head("same.py") is None


def test_files_that_do_not_fit_are_not_known(patched: tuple[Repo, bytes]) -> None:
    repo, data = patched
    repo.write({"mod.py": TEXT, "added.py": "x\ny\nmore\n"})
    _, files = diff_file(data, root=repo.root)
    assert files.head("mod.py") is files.base("mod.py") is files.head("added.py") is None
    _, nowhere = diff_file(data, root=None)
    assert nowhere.head("new.py") is None


def test_a_diff_reaches_no_file_outside_the_checkout_and_follows_no_link(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real/in.py").write_text("hunter2\n")
    (root / "link").symlink_to(secret)
    (root / "dir").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    for path in (
        "../secret",
        "link",
        "dir/secret",
        str(secret),
        "real/../../secret",
        "pipe",
        "real",
        "./real/in.py",
        "",
    ):
        data = f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-x\n+hunter2\n".encode()
        change, files = diff_file(data, root=root)
        assert files.head(change.files[0].path) is None
        assert checkout.read_regular(root, path) is None
    assert checkout.read_regular(root, "real/in.py") == b"hunter2\n"
