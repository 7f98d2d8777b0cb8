"""The working tree and the index as trees: every kind of change, and nothing written into the repository."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.repos import Repo

from loom.infra.git import Git


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(tmp_path / "repo")


@pytest.fixture
def opened(repo: Repo) -> Iterator[Git]:
    repo.commit("first", {"a.py": "".join(f"line {n}\n" for n in range(1, 21))})
    with Git.discover(repo.root, os.environ) as git:
        yield git


def local_changes(git: Git) -> dict[str, tuple[str, int, int]]:
    files, unread = git.changes(git.head() or git.empty_tree, git.write_worktree_tree().tree)
    assert unread == ()
    return {f.path: (f.status, f.added, f.deleted) for f in files}


def test_the_working_tree_has_every_kind_of_change(repo: Repo) -> None:
    repo.commit("first", {"mod.py": "1\n", "gone.py": "bye\n", "mode.sh": "1\n", "link": "1\n", "staged.py": "1\n"})
    repo.write({"mod.py": "1\n2\n", "new dir/untracked é.py": "1\n", "staged.py": "2\n", "ita.py": "1\n2\n3\n"})
    repo.write({".gitignore": "*.log\nbuild/\n", "x.log": "ignored\n", "build/out": "ignored\n"})
    repo.write({".git/info/exclude": "excluded.txt\n", "excluded.txt": "ignored\n"})
    repo.git("add", "staged.py")
    repo.git("add", "-N", "ita.py")
    repo.write({"staged.py": "2\n3\n"})
    (repo.root / "gone.py").unlink()
    (repo.root / "mode.sh").chmod(0o755)
    (repo.root / "link").unlink()
    (repo.root / "link").symlink_to("mod.py")
    before = repo.snapshot()
    status = repo.git("status", "--porcelain", env={"GIT_OPTIONAL_LOCKS": "0"})
    with Git.discover(repo.root, os.environ) as git:
        assert local_changes(git) == {
            ".gitignore": ("added", 2, 0),
            "gone.py": ("deleted", 0, 1),
            "ita.py": ("added", 3, 0),
            "link": ("typechange", 1, 1),
            "mod.py": ("modified", 1, 0),
            "mode.sh": ("mode", 0, 0),
            "new dir/untracked é.py": ("added", 1, 0),
            "staged.py": ("modified", 2, 1),
        }
        staged = git.changes(git.head() or "", git.write_index_tree().tree)[0]
        assert [(f.path, f.status, f.added) for f in staged] == [("staged.py", "modified", 1)]
    assert repo.snapshot() == before, "nothing may be written into the repository"
    assert repo.git("status", "--porcelain", env={"GIT_OPTIONAL_LOCKS": "0"}) == status


def test_a_repository_without_a_commit_has_a_working_tree(repo: Repo) -> None:
    with Git.discover(repo.root, os.environ) as git:
        assert git.head() is None
        assert git.write_worktree_tree().tree == git.empty_tree
        repo.write({"a.py": "1\n"})
        assert local_changes(git) == {"a.py": ("added", 1, 0)}
        assert git.write_index_tree().tree == git.empty_tree


def test_the_users_own_ignore_file_is_heard(repo: Repo, scrubbed: Path) -> None:
    (scrubbed / ".config/git").mkdir(parents=True)
    (scrubbed / ".config/git/ignore").write_text(".idea/\n")
    repo.write({".idea/x.xml": "1\n", "a.py": "1\n"})
    with Git.discover(repo.root, os.environ) as git:
        assert list(local_changes(git)) == ["a.py"]
    (scrubbed / ".gitconfig").write_text("[core]\n\texcludesFile = ~/mine\n")
    (scrubbed / "mine").write_text("a.py\n")
    with Git.discover(repo.root, os.environ) as git:
        assert list(local_changes(git)) == [".idea/x.xml"]


def test_conflicts_are_read_with_their_markers_and_are_not_staged(repo: Repo, opened: Git) -> None:
    repo.commit("base", {"f.py": "one\n", "del.py": "x\n"})
    repo.branch("side")
    repo.commit("theirs", {"f.py": "theirs\n", "del.py": "y\n"})
    repo.git("switch", "-q", "main")
    repo.commit("ours", {"f.py": "ours\n"})
    repo.git("rm", "-q", "del.py")
    repo.git("commit", "-q", "-m", "deleted here")
    repo.git("merge", "-q", "side", ok=False)
    assert "UU f.py" in repo.git("status", "--porcelain")
    written = opened.write_worktree_tree()
    assert b"<<<<<<<" in (opened.blob(written.tree, "f.py") or b"")
    assert opened.blob(written.tree, "del.py") == b"y\n"
    staged = opened.write_index_tree()
    assert [(u.path, u.reason) for u in staged.unread] == [
        ("del.py", "it has merge conflicts, so nothing of it is staged"),
        ("f.py", "it has merge conflicts, so nothing of it is staged"),
    ]
    assert opened.blob(staged.tree, "f.py") == b"ours\n"
    assert opened.blob(staged.tree, "del.py") is None


def test_a_folder_replaced_by_a_link_loses_its_files(repo: Repo, opened: Git) -> None:
    repo.commit("folders", {"dir/x.py": "1\n", "other/x.py": "2\n", "file": "3\n"})
    shutil.rmtree(repo.root / "dir")
    (repo.root / "dir").symlink_to("other")
    (repo.root / "file").unlink()
    repo.write({"file/inner.py": "4\n"})
    assert local_changes(opened) == {
        "dir": ("added", 1, 0),
        "dir/x.py": ("deleted", 0, 1),
        "file": ("deleted", 0, 1),
        "file/inner.py": ("added", 1, 0),
    }


def test_a_submodule_shows_its_new_commit_and_not_its_dirt(repo: Repo, tmp_path: Path) -> None:
    other = Repo.init(tmp_path / "other")
    other.commit("inner", {"inner.py": "1\n"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.root), "sub")
    repo.commit("outer")
    sub = Repo(repo.root / "sub")
    sub.write({"inner.py": "dirty\n"})
    with Git.discover(repo.root, os.environ) as git:
        assert local_changes(git) == {}
        sub.commit("moves on")
        files = git.changes(git.head() or "", git.write_worktree_tree().tree)[0]
        assert [(f.path, f.new_mode, f.added, f.deleted) for f in files] == [("sub", "160000", 1, 1)]


@pytest.mark.parametrize("sparse_index", ["--no-sparse-index", "--sparse-index"])
def test_files_left_out_of_a_sparse_checkout_are_not_deleted(repo: Repo, sparse_index: str) -> None:
    repo.commit("first", {"in/a.py": "1\n", "out/b.py": "1\n", "out/deep/c.py": "1\n", "top.py": "1\n"})
    repo.git("sparse-checkout", "init", "--cone", sparse_index)
    repo.git("sparse-checkout", "set", "in")
    assert not (repo.root / "out").exists()
    repo.write({"in/a.py": "2\n"})
    with Git.discover(repo.root, os.environ) as git:
        assert local_changes(git) == {"in/a.py": ("modified", 1, 1)}


def test_a_split_index_is_read(repo: Repo) -> None:
    repo.commit("first", {"a.py": "1\n", "b.py": "1\n"})
    repo.git("update-index", "--split-index")
    repo.write({"a.py": "2\n"}).git("add", "a.py")
    before = repo.snapshot()
    assert any(name.startswith("sharedindex.") for name in before)
    with Git.discover(repo.root, os.environ) as git:
        assert local_changes(git) == {"a.py": ("modified", 1, 1)}
    assert repo.snapshot() == before


def test_line_endings_are_converted_as_git_status_does(repo: Repo) -> None:
    repo.commit("first", {".gitattributes": "*.txt text=auto\n", "a.txt": "1\n2\n"})
    repo.write({"a.txt": "1\r\n2\r\n3\r\n"})
    with Git.discover(repo.root, os.environ) as git:
        assert local_changes(git) == {"a.txt": ("modified", 1, 0)}


def test_a_clean_filter_runs_only_when_the_user_defined_it(repo: Repo, scrubbed: Path) -> None:
    repo.commit("first", {".gitattributes": "*.up filter=upper\n"})
    repo.write({"a.up": "abc\n"})
    repo.git("config", "filter.upper.clean", "tr a-z A-Z")
    with Git.discover(repo.root, os.environ) as git:
        assert git.blob(git.write_worktree_tree().tree, "a.up") == b"abc\n"
    (scrubbed / ".gitconfig").write_text('[filter "upper"]\n\tclean = tr a-z A-Z\n')
    with Git.discover(repo.root, os.environ) as git:
        assert git.blob(git.write_worktree_tree().tree, "a.up") == b"ABC\n"


def test_one_file_that_cannot_be_taken_costs_no_other(repo: Repo, scrubbed: Path) -> None:
    (scrubbed / ".gitconfig").write_text('[filter "broken"]\n\tclean = false\n\trequired = true\n')
    repo.commit("first", {".gitattributes": "*.bad filter=broken\n"})
    os.mkfifo(repo.root / "pipe")
    repo.write(
        {"a.bad": "1\n", "b.py": "1\n", "c.py": "2\n", "big.csv": b"1,2\n" * 2_500_001, "big.db": b"\0" * 10_000_001}
    )
    with Git.discover(repo.root, os.environ) as git:
        written = git.write_worktree_tree()
        assert set(git.list_tree(written.tree)) == {".gitattributes", "b.py", "c.py"}
        assert [(f.path, f.status, f.binary) for f in written.files] == [("big.db", "added", True)]
        reasons = {unread.path: unread.reason for unread in written.unread}
        assert sorted(reasons) == ["a.bad", "big.csv"]
        assert "clean filter 'broken' failed" in reasons["a.bad"]
        assert "larger than 10 MB" in reasons["big.csv"]


def test_a_tracked_file_that_became_a_pipe_is_named(repo: Repo, opened: Git) -> None:
    (repo.root / "a.py").unlink()
    os.mkfifo(repo.root / "a.py")
    assert stat.S_ISFIFO((repo.root / "a.py").lstat().st_mode)
    written = opened.write_worktree_tree()
    assert [(u.path, u.reason) for u in written.unread] == [("a.py", "it is neither a file nor a link")]


def test_the_temporary_directory_goes_with_the_object(repo: Repo, tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    git = Git.discover(repo.root, {**os.environ, "TMPDIR": str(place)})
    git.write_worktree_tree()
    assert list(place.iterdir())
    git.close()
    assert not list(place.iterdir())
    git = Git.discover(repo.root, {**os.environ, "TMPDIR": str(place)})
    del git
    assert not list(place.iterdir())
