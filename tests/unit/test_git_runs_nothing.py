"""No program that a repository, a submodule or the environment names is run by any of Loom's git calls."""

from __future__ import annotations

import os
import shutil
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


MINES = {
    "core.fsmonitor": "{}",
    "core.hooksPath": "hooks",
    "core.pager": "{}",
    "core.editor": "{}",
    "core.sshCommand": "{}",
    "core.askPass": "{}",
    "diff.external": "{}",
    "diff.evil.command": "{}",
    "diff.evil.textconv": "{}",
    "filter.evil.clean": "{}",
    "filter.evil.smudge": "{}",
    "filter.evil.process": "{}",
    "filter.evil.required": "true",
    "alias.diff-tree": "!{}",
    "gpg.program": "{}",
    "credential.helper": "!{}",
    "remote.origin.url": "ext::{}",
    "diff.ignoreSubmodules": "none",
    "diff.noprefix": "true",
    "color.ui": "always",
    "diff.orderFile": "/dev/null",
}


def mine(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every setting that names a program names one that leaves a marker; attributes bind the drivers."""
    marker = tmp_path / "marker"
    trap = tmp_path / "trap.sh"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {marker}\ncat\n')
    trap.chmod(0o755)
    for key, value in MINES.items():
        repo.git("config", key, value.format(trap))
    for hook in ("post-index-change", "pre-commit", "fsmonitor-watchman", "reference-transaction"):
        repo.write({f"hooks/{hook}": trap.read_text()})
        (repo.root / "hooks" / hook).chmod(0o755)
        shutil.copy(trap, repo.root / ".git/hooks" / hook)
    repo.write({".gitattributes": "* diff=evil filter=evil\n", ".git/info/attributes": "* diff=evil filter=evil\n"})
    for name in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH_COMMAND", "GIT_EDITOR", "GIT_ASKPASS"):
        monkeypatch.setenv(name, str(trap))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(trap))
    return marker


def use_everything(git: Git) -> list[str]:
    head = git.resolve("HEAD")
    git.upstream_or_default()
    git.merge_base(head, head)
    git.describe(head)
    git.parent(head)
    git.is_shallow()
    written = git.write_worktree_tree()
    staged = git.write_index_tree()
    assert written.unread == staged.unread == ()
    files = [f for tree in (written.tree, staged.tree) for f in git.changes(head, tree)[0]]
    for file in files:
        git.blob(written.tree, file.path)
    git.list_tree(head)
    return [f.path for f in files]


def test_nothing_that_a_repository_or_the_environment_names_is_run(
    repo: Repo, opened: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write({"a.py": (repo.root / "a.py").read_text() + "more\n", "new.py": "new\n"})
    repo.git("add", "a.py")
    marker = mine(repo, tmp_path, monkeypatch)
    repo.git("diff", ok=False)
    assert marker.exists(), "the mines must work, or this test shows nothing"
    marker.unlink()
    with Git.discover(repo.root, os.environ) as git:
        paths = use_everything(git)
    assert {"a.py", "new.py", ".gitattributes"} <= set(paths)
    assert not marker.exists(), marker.read_text()


def test_nothing_that_a_submodule_or_an_embedded_repository_names_is_run(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repo.init(tmp_path / "other")
    other.commit("inner", {"inner.py": "1\n"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.root), "sub")
    embedded = Repo.init(repo.root / "embedded")
    embedded.commit("inside", {"x.py": "1\n"})
    repo.write({"top.py": "1\n"}).git("add", "top.py", ".gitmodules", "sub")
    repo.git("commit", "-q", "-m", "outer")
    sub = Repo(repo.root / "sub")
    marker = mine(embedded, tmp_path, monkeypatch)
    for key, value in MINES.items():
        sub.git("config", key, value.format(tmp_path / "trap.sh"))
    sub.write({"inner.py": "dirty\n", ".gitattributes": "* filter=evil diff=evil\n"})
    repo.git("status", ok=False)
    assert marker.exists()
    marker.unlink()
    repo.write({"top.py": "2\n"})
    with Git.discover(repo.root, os.environ) as git:
        assert use_everything(git) == ["top.py"]
    with Git.discover(repo.root / "embedded", os.environ) as git:
        use_everything(git)
    assert not marker.exists(), marker.read_text()
