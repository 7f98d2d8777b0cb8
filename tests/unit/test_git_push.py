"""What a push brings, as git tells a hook, and where hooks are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.repos import Repo

from loom.infra.git import Git
from loom.infra.git_push import Update, updates

ZERO = "0" * 40
ONE = "1" * 40


def test_the_lines_of_git_are_read_from_their_end() -> None:
    text = f"refs/heads/a {ONE} refs/heads/b {ZERO}\nHEAD@{{1 day ago}} {ONE} refs/heads/c {ONE}\n\nnonsense\n"
    assert updates(text) == (
        Update("refs/heads/a", ONE, "refs/heads/b", ZERO),
        Update("HEAD@{1 day ago}", ONE, "refs/heads/c", ONE),
    )


@pytest.mark.parametrize(
    ("local", "remote_ref", "brings"),
    [(ONE, "refs/heads/a", True), (ZERO, "refs/heads/a", False), (ONE, "refs/tags/v1", False),
     ("0" * 64, "refs/heads/a", False), (ONE, "refs/for/main", True), (ONE, "refs/notes/commits", False)],
)  # fmt: skip
def test_deletions_tags_and_notes_bring_nothing_to_review(local: str, remote_ref: str, brings: bool) -> None:
    assert Update("refs/heads/a", local, remote_ref, ZERO).brings_commits is brings


def test_a_remote_that_is_only_an_address_counts_with_what_is_known_of_any(tmp_path: Path) -> None:
    remote = Repo.init(tmp_path / "remote")
    first = remote.commit("first", {"a": "1"})
    repo = remote.clone(tmp_path / "clone")
    second = repo.commit("second", {"a": "2"})
    update = Update("refs/heads/main", second, "refs/heads/main", ZERO)
    with Git.discover(repo.root, os.environ) as git:
        assert git.pushing().pushed(update, "https://git.example.invalid/x.git") == (first, second)
        assert git.pushing().pushed(update, "origin") == (first, second)


def test_a_remote_commit_that_is_not_here_is_no_ground_to_compare_with(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "repo")
    head = repo.commit("first", {"a": "1"})
    with Git.discover(repo.root, os.environ) as git:
        pushing = git.pushing()
        assert pushing.pushed(Update("refs/heads/main", head, "refs/heads/main", ONE), "origin") == (None, head)
        assert pushing.pushed(Update("x", ONE, "refs/heads/x", ZERO), "origin") is None


@pytest.mark.parametrize(
    ("named", "folder"),
    [(None, "{root}/.git/hooks"), (".hooks", "{root}/.hooks"), ("~/hooks", "{home}/hooks"), ("/x/y", "/x/y")],
)
def test_hooks_are_where_git_looks_for_them(tmp_path: Path, named: str | None, folder: str) -> None:
    repo = Repo.init(tmp_path / "repo")
    if named is not None:
        repo.git("config", "core.hooksPath", named)
    with Git.discover(repo.root, os.environ) as git:
        found = git.pushing().hooks(os.environ)
    assert str(found) == folder.format(root=repo.root, home=os.environ["HOME"])
    path = repo.git("rev-parse", "--git-path", "hooks")
    assert found == (repo.root / path)
