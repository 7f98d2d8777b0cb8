"""The git wrapper: it reads what is there, runs nothing that a repository names, and writes nothing into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.repos import Repo

from loom.core.diff import FileChange
from loom.core.errors import SourceError
from loom.infra.git import Git
from loom.infra.git_objects import TreeFiles

LINES = "".join(f"line {n}\n" for n in range(1, 21))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(tmp_path / "repo")


@pytest.fixture
def opened(repo: Repo) -> Iterator[Git]:
    repo.commit("first", {"a.py": LINES})
    with Git.discover(repo.root, os.environ) as git:
        yield git


def tree_of(git: Git, tree: str) -> dict[str, bytes | None]:
    return {path: git.blob(tree, path) for path in git.list_tree(tree)}


def by_path(git: Git, base: str, head: str) -> dict[str, FileChange]:
    files, unread = git.changes(base, head)
    assert unread == ()
    return {file.path: file for file in files}


# -- discovery --------------------------------------------------------------------------------------------------------


def test_a_repository_is_found_from_a_folder_below_its_root(repo: Repo) -> None:
    repo.write({"src/deep/x.py": "x\n"})
    with Git.discover(repo.root / "src/deep", os.environ) as git:
        assert git.root == repo.root
        assert git.git_dir == git.common_dir == repo.root / ".git"


def test_a_folder_in_no_repository_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not in a git repository") as caught:
        Git.discover(tmp_path, os.environ)
    assert "--diff" in caught.value.hint
    assert caught.value.slug == "no-repository"


def test_a_missing_git_is_one_clear_line(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="git is not installed") as caught:
        Git.discover(repo.root, {**os.environ, "PATH": str(tmp_path)})
    assert caught.value.slug == "no-git"


def test_a_git_program_inside_the_checkout_is_not_run(repo: Repo) -> None:
    marker = repo.root / "marker"
    repo.write({"bin/git": f"#!/bin/sh\ntouch {marker}\n"})
    (repo.root / "bin/git").chmod(0o755)
    path = f"{repo.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with Git.discover(repo.root, {**os.environ, "PATH": path}) as git:
        assert git.head() is None
    assert not marker.exists()


def test_a_linked_work_tree_has_its_own_head_and_the_common_objects(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", {"a.py": "1\n"})
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    side = Repo(tmp_path / "linked")
    side.commit("second", {"b.py": "2\n"})
    with Git.discover(side.root, os.environ) as git:
        assert git.root == side.root
        assert git.common_dir == repo.root / ".git"
        assert git.head() == side.head() != repo.head()
        assert tree_of(git, git.write_worktree_tree().tree) == {"a.py": b"1\n", "b.py": b"2\n"}


def test_a_moved_work_tree_says_how_to_mend_it(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", {"a.py": "1\n"})
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    shutil.rmtree(repo.root / ".git/worktrees")
    with pytest.raises(SourceError, match="no git directory") as caught:
        Git.discover(tmp_path / "linked", os.environ)
    assert "git worktree repair" in caught.value.hint


def test_a_submodule_is_a_repository_of_its_own(repo: Repo, tmp_path: Path) -> None:
    other = Repo.init(tmp_path / "other")
    other.commit("inner", {"inner.py": "1\n"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.root), "sub")
    repo.commit("with submodule")
    with Git.discover(repo.root / "sub", os.environ) as git:
        assert git.root == repo.root / "sub"
        assert git.git_dir == repo.root / ".git/modules/sub"
        assert tree_of(git, git.write_worktree_tree().tree) == {"inner.py": b"1\n"}


def test_a_bare_repository_is_read_but_has_no_working_tree(repo: Repo, tmp_path: Path) -> None:
    sha = repo.commit("first", {"a.py": "1\n"})
    bare = repo.clone(tmp_path / "bare.git", "--bare")
    with Git.discover(bare.root, os.environ) as git:
        assert git.root is None
        assert git.blob(git.resolve("HEAD"), "a.py") == b"1\n"
        assert git.resolve("main") == sha
        with pytest.raises(SourceError, match="bare repository") as caught:
            git.write_worktree_tree()
        assert "--commit" in caught.value.hint


def test_a_work_tree_of_a_bare_repository_is_a_work_tree(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", {"a.py": "1\n"})
    bare = repo.clone(tmp_path / "bare.git", "--bare")
    bare.git("worktree", "add", "-q", str(tmp_path / "tree"), "main")
    (tmp_path / "tree/b.py").write_text("2\n")
    with Git.discover(tmp_path / "tree", os.environ) as git:
        assert tree_of(git, git.write_worktree_tree().tree) == {"a.py": b"1\n", "b.py": b"2\n"}


def test_what_a_hook_sets_is_heard(repo: Repo) -> None:
    repo.commit("first", {"a.py": "1\n"})
    repo.write({"a.py": "2\n", "b.py": "new\n"})
    other = repo.root / ".git/next-index"
    repo.git("add", "b.py", env={"GIT_INDEX_FILE": str(other)})
    environ = {**os.environ, "GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/next-index"}
    with Git.discover(repo.root, environ) as git:
        assert tree_of(git, git.write_index_tree().tree) == {"b.py": b"new\n"}


def test_a_repository_of_another_user_is_read(repo: Repo, opened: Git) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in (repo.root, *repo.root.rglob("*")):
        os.chown(path, 12345, 12345)
    assert "dubious ownership" not in repo.git("status", ok=False)
    with Git.discover(repo.root, os.environ) as git:
        assert git.blob(git.resolve("HEAD"), "a.py") == LINES.encode()


def test_a_repository_with_sha256_ids_is_read(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "repo", "--object-format=sha256")
    first = repo.commit("first", {"a.py": "1\n"})
    assert len(first) == 64
    repo.write({"a.py": "2\n"})
    with Git.discover(repo.root, os.environ) as git:
        files = by_path(git, git.resolve("HEAD"), git.write_worktree_tree().tree)
        assert (files["a.py"].added, files["a.py"].deleted) == (1, 1)
        assert by_path(git, git.empty_tree, first)["a.py"].status == "added"


# -- revisions --------------------------------------------------------------------------------------------------------


def test_revisions_are_resolved_as_people_write_them(repo: Repo, opened: Git) -> None:
    first = repo.head()
    second = repo.commit("second", {"b.py": "1\n"})
    repo.git("tag", "-a", "v1", "-m", "tagged")
    assert opened.resolve("HEAD~1") == first
    assert opened.resolve("main") == opened.resolve("v1") == opened.resolve(second[:9]) == second
    assert opened.parent(second) == first
    assert opened.parent(first) is None


def test_a_branch_that_only_origin_has_is_found(repo: Repo, tmp_path: Path) -> None:
    sha = repo.commit("first", {"a.py": "1\n"})
    clone = repo.clone(tmp_path / "clone")
    clone.git("checkout", "-q", "--detach")
    clone.git("branch", "-D", "main")
    with Git.discover(clone.root, os.environ) as git:
        assert git.resolve("main") == sha


def test_an_unknown_revision_names_the_nearest(repo: Repo, opened: Git) -> None:
    repo.branch("feature/login")
    with pytest.raises(SourceError) as caught:
        opened.resolve("feature/logni")
    assert caught.value.message == 'there is no commit "feature/logni" here. Did you mean "feature/login"?'


@pytest.mark.parametrize("rev", ["--output=/tmp/pwned", "-h", "", "a\nb", "a\0b", "HEAD:a.py", "--all", "--git-dir"])
def test_what_is_no_revision_is_refused_and_never_an_option(opened: Git, tmp_path: Path, rev: str) -> None:
    with pytest.raises(SourceError):
        opened.resolve(rev)
    assert not Path("/tmp/pwned").exists()


def test_a_branch_name_that_a_shell_would_run_is_only_a_name(repo: Repo, opened: Git) -> None:
    name = "$(touch${IFS}pwned);`id`|x<y>'\""
    repo.git("update-ref", f"refs/heads/{name}", "HEAD")
    assert opened.resolve(name) == repo.head()
    assert not (repo.root / "pwned").exists()


def test_ids_are_the_only_thing_that_reaches_commands_which_compare(opened: Git) -> None:
    for hostile in ("--output=x", "HEAD", "main", "../x"):
        with pytest.raises(SourceError, match="is not an object id"):
            opened.changes(hostile, hostile)


def test_the_upstream_comes_before_the_default_branch(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", {"a.py": "1\n"})
    clone = repo.clone(tmp_path / "clone")
    with Git.discover(clone.root, os.environ) as git:
        assert git.upstream_or_default() == "refs/remotes/origin/main"
        clone.branch("feature")
        assert git.upstream_or_default() == "refs/remotes/origin/main"
        clone.git("push", "-q", "-u", "origin", "feature")
        assert git.upstream_or_default() == "refs/remotes/origin/feature"
        clone.git("checkout", "-q", "--detach")
        assert git.upstream_or_default() == "refs/remotes/origin/main"


def test_the_default_branch_is_the_one_origin_says(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "repo", branch="trunk")
    repo.commit("first", {"a.py": "1\n"})
    clone = repo.clone(tmp_path / "clone")
    clone.branch("feature")
    with Git.discover(clone.root, os.environ) as git:
        assert git.upstream_or_default() == "refs/remotes/origin/trunk"


def test_without_remotes_main_or_master_is_the_default_and_else_there_is_none(tmp_path: Path) -> None:
    for branch, expected in (("main", "refs/heads/main"), ("master", "refs/heads/master"), ("trunk", None)):
        repo = Repo.init(tmp_path / branch, branch=branch)
        repo.commit("first")
        repo.branch("feature")
        with Git.discover(repo.root, os.environ) as git:
            assert git.upstream_or_default() == expected


def test_a_merge_base_is_found_or_there_is_none(repo: Repo, opened: Git) -> None:
    base = repo.head()
    repo.branch("feature")
    side = repo.commit("side", {"b.py": "1\n"})
    repo.git("switch", "-q", "main")
    tip = repo.commit("main goes on", {"c.py": "1\n"})
    assert opened.merge_base(tip, side) == base
    repo.git("switch", "-q", "--orphan", "other")
    assert opened.merge_base(tip, repo.commit("unrelated")) is None


def test_a_shallow_clone_knows_where_it_was_cut(repo: Repo, tmp_path: Path) -> None:
    repo.commit("first", {"a.py": "1\n"})
    repo.commit("second", {"a.py": "2\n"})
    shallow = repo.clone(tmp_path / "shallow", "--depth=1")
    with Git.discover(shallow.root, os.environ) as git:
        assert git.is_shallow()
        with pytest.raises(SourceError, match="not in this shallow clone") as caught:
            git.parent(shallow.head())
        assert "fetch-depth: 2" in caught.value.hint


def test_a_missing_object_of_a_partial_clone_is_one_clear_line(repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    first = repo.commit("first", {"a.py": "1\n"})
    repo.commit("second", {"a.py": "2\n"})
    partial = repo.clone(tmp_path / "partial", "--filter=blob:none")
    with Git.discover(partial.root, os.environ) as git:
        with pytest.raises(SourceError) as caught:
            git.changes(first, git.resolve("HEAD"))
        assert caught.value.slug == "missing-objects"
        assert git.blob(first, "a.py") is None
        partial.write({"b.py": "new\n"})
        assert list(by_path(git, git.resolve("HEAD"), git.write_worktree_tree().tree)) == ["b.py"]


# -- content ----------------------------------------------------------------------------------------------------------


def test_renames_modes_links_and_submodules_come_out_as_what_they_are(repo: Repo, opened: Git) -> None:
    base = repo.commit("before", {"old name.py": LINES, "run.sh": "x\n", "gone.py": "y\n", "type": "file\n"})
    repo.git("mv", "old name.py", "new\tname.py")
    repo.git("rm", "-q", "gone.py")
    (repo.root / "run.sh").chmod(0o755)
    (repo.root / "type").unlink()
    (repo.root / "type").symlink_to("/etc/passwd")
    head = repo.commit("after", {"x b/y.py": "1\n", "pic.png": b"\x89PNG\0\0", "empty": ""})
    files = by_path(opened, base, head)
    assert {path: (f.status, f.old_path, f.added, f.deleted, f.binary) for path, f in files.items()} == {
        "new\tname.py": ("renamed", "old name.py", 0, 0, False),
        "run.sh": ("mode", None, 0, 0, False),
        "gone.py": ("deleted", None, 0, 1, False),
        "type": ("typechange", None, 1, 1, False),
        "x b/y.py": ("added", None, 1, 0, False),
        "pic.png": ("added", None, 0, 0, True),
        "empty": ("added", None, 0, 0, False),
    }
    assert (files["run.sh"].old_mode, files["run.sh"].new_mode) == ("100644", "100755")
    assert opened.blob(head, "type") is None
    assert opened.blob(head, "empty") == b""


def test_code_that_attributes_hide_from_git_diff_is_shown(repo: Repo, opened: Git) -> None:
    base = repo.head()
    head = repo.commit("hide", {".gitattributes": "*.py -diff\n*.js binary\n", "evil.py": "a\nb\n", "evil.js": "c\n"})
    repo.write({".git/info/attributes": "*.py -diff\n"})
    assert "Binary files" in repo.git("diff", base, head)
    files = by_path(opened, base, head)
    assert [line.text for line in files["evil.py"].lines()] == ["a", "b"]
    assert [line.text for line in files["evil.js"].lines()] == ["c"]


def test_names_that_are_not_text_keep_their_bytes(repo: Repo, opened: Git) -> None:
    base = repo.head()
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"x\n")
    for name in (b"latin\xe9.py", b"new\nline.py", b'quo"te\\.py'):
        repo.git("update-index", "--add", "-z", "--index-info", stdin=b"100644 " + blob.encode() + b"\t" + name + b"\0")
    repo.git("commit", "-q", "-m", "names")
    files = by_path(opened, base, repo.head())
    assert sorted(files) == ["latin\udce9.py", "new\nline.py", 'quo"te\\.py']
    assert opened.blob(repo.head(), "latin\udce9.py") == b"x\n"
    assert opened.blob(repo.head(), "new\nline.py") == b"x\n"


def test_a_blob_is_none_where_there_is_no_regular_file(repo: Repo, opened: Git) -> None:
    (repo.root / "link").symlink_to("a.py")
    head = repo.commit("more", {"dir/x.py": "x\n", "big.txt": b"x" * 5_000_001, "fits.txt": b"x" * 5_000_000})
    for path in ("dir", "nothing", "a.py/x", "link", "../a.py", "", "/a.py", "dir//x.py", "big.txt"):
        assert opened.blob(head, path) is None
    assert opened.blob(head, "dir/x.py") == b"x\n"
    assert len(opened.blob(head, "fits.txt") or b"") == 5_000_000


def test_blobs_are_read_again_after_the_child_process_was_killed(repo: Repo, opened: Git) -> None:
    from loom.infra import process

    assert opened.blob(repo.head(), "a.py") == LINES.encode()
    process.stop_all()
    assert opened.blob(repo.head(), "a.py") == LINES.encode()


def test_a_tree_is_listed_below_a_prefix(repo: Repo, opened: Git) -> None:
    (repo.root / "link").symlink_to("a.py")
    head = repo.commit("more", {".loom/config.yaml": "x", ".loom/prompts/a.md": "y", ".loomish": "z"})
    assert opened.list_tree(head) == (".loom/config.yaml", ".loom/prompts/a.md", ".loomish", "a.py")
    assert opened.list_tree(head, ".loom") == (".loom/config.yaml", ".loom/prompts/a.md")
    assert opened.list_tree(head, "*") == ()


def test_a_text_too_large_to_compare_is_said_to_be_and_not_called_binary(repo: Repo, opened: Git) -> None:
    base = repo.head()
    big = b"0123456789abcde\n" * 3_200_000
    head = repo.commit("big", {"big.txt": big, "big.bin": b"\0" + big})
    files = by_path(opened, base, head)
    assert files["big.txt"].unreadable == "larger than 50 MB"
    assert files["big.bin"].binary
    assert files["big.bin"].unreadable is None


def test_both_sides_of_a_change_are_files(repo: Repo, opened: Git) -> None:
    base = repo.head()
    head = repo.commit("second", {"a.py": "now\n"})
    files = TreeFiles(opened, base=base, head=head)
    assert (files.base("a.py"), files.head("a.py"), files.head("b.py")) == (LINES.encode(), b"now\n", None)


def test_a_commit_is_described_by_its_own_words(repo: Repo, opened: Git) -> None:
    sha = repo.commit("Subject é\n\nBody line\n\nMore")
    assert opened.describe(sha) == ("Subject é", "Body line\n\nMore", "Test")


@pytest.mark.parametrize("name", ['quo"te', "new\nline", "co:lon", "back\\slash", "é ü", "-dash", "$(id)"])
def test_a_repository_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    repo = Repo.init(tmp_path / name)
    head = repo.commit("first", {"a.py": "1\n"})
    repo.write({"a.py": "2\n"})
    with Git.discover(repo.root, os.environ) as git:
        assert by_path(git, head, git.write_worktree_tree().tree)["a.py"].added == 1
        assert git.blob(head, "a.py") == b"1\n"


def test_objects_that_a_push_brings_are_seen_before_they_are_accepted(repo: Repo, tmp_path: Path) -> None:
    """In a pre-receive hook git names a quarantine for them in the environment."""
    base = repo.commit("first", {"a.py": "1\n"})
    quarantine = tmp_path / "quarantine"
    quarantine.mkdir()
    bare = repo.clone(tmp_path / "bare.git", "--bare")
    head = repo.commit("second", {"a.py": "2\n"})
    shutil.copytree(repo.root / ".git/objects", quarantine, dirs_exist_ok=True)
    environ = {**os.environ, "GIT_DIR": ".", "GIT_OBJECT_DIRECTORY": str(quarantine)}
    with Git.discover(bare.root, environ) as git:
        assert git.merge_base(git.resolve("main"), git.resolve(head)) == base
        assert by_path(git, base, head)["a.py"].added == 1
