"""What is remembered about a repository on this machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from loom.store.state import Acceptance, RepoState, StateError

DIGEST, OTHER = "a" * 64, "b" * 64
WHEN = "2026-11-21T10:00:00+00:00"


@pytest.fixture
def repo(tmp_path: Path) -> RepoState:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    return RepoState(tmp_path / "state" / "loom", tmp_path / "repo" / ".git")


def test_a_new_repository_has_no_state(repo: RepoState) -> None:
    assert repo.last() is None
    assert repo.list() == ()
    assert not repo.accepted(DIGEST)
    assert repo.revoke() == 0
    assert not repo.folder.exists()


def test_the_last_result_comes_back_as_it_was_saved(repo: RepoState) -> None:
    repo.save_last(b"first")
    repo.save_last(b"second\x00\xff")
    assert repo.last() == b"second\x00\xff"


def test_the_last_whole_result_is_kept_for_each_source(repo: RepoState) -> None:
    repo.save_last(b"whole", of="local")
    repo.save_last(b"narrow")
    assert (repo.last(), repo.last(of="local"), repo.last(of="staged")) == (b"narrow", b"whole", None)


def test_a_digest_is_accepted_until_it_is_revoked(repo: RepoState) -> None:
    repo.accept(DIGEST, WHEN)
    repo.accept(DIGEST, "later")
    repo.accept(OTHER, WHEN)
    assert repo.list() == (Acceptance(DIGEST, WHEN), Acceptance(OTHER, WHEN))
    assert repo.accepted(DIGEST)
    assert repo.revoke() == 2
    assert not repo.accepted(DIGEST)


def test_repositories_do_not_share_state_but_worktrees_do(tmp_path: Path) -> None:
    def of(name: str) -> RepoState:
        return RepoState(tmp_path / "loom", tmp_path / name)

    of("one").accept(DIGEST, WHEN)
    assert not of("two").accepted(DIGEST)
    assert of("x/../one").accepted(DIGEST)


def test_nobody_else_can_read_it(repo: RepoState) -> None:
    before = os.umask(0)
    try:
        repo.accept(DIGEST, WHEN)
        repo.save_last(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(repo.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(repo.folder.parent.stat().st_mode) == 0o700
    files = sorted(repo.folder.iterdir())
    assert [file.name for file in files] == ["last.json", "trust.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_an_old_folder_with_a_wider_mode_is_closed(repo: RepoState) -> None:
    repo.folder.mkdir(parents=True, mode=0o755)
    repo.folder.chmod(0o755)
    repo.save_last(b"x")
    assert stat.S_IMODE(repo.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 2, "accepted": []}',
        b'{"version": 1, "repository": "/elsewhere", "accepted": [{"digest": "%s", "when": ""}]}' % (DIGEST.encode()),
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_or_foreign_file_accepts_nothing_and_can_be_written_anew(repo: RepoState, damage: bytes) -> None:
    repo.accept(OTHER, WHEN)
    (repo.folder / "trust.json").write_bytes(damage)
    assert repo.list() == ()
    repo.accept(DIGEST, WHEN)
    assert repo.list() == (Acceptance(DIGEST, WHEN),)


def test_entries_that_are_no_digests_are_left_out(repo: RepoState) -> None:
    repo.accept(DIGEST, WHEN)
    file = repo.folder / "trust.json"
    value = json.loads(file.read_bytes())
    value["accepted"].append({"digest": "*", "when": WHEN})
    file.write_text(json.dumps(value))
    assert repo.list() == (Acceptance(DIGEST, WHEN),)


def test_a_folder_in_the_place_of_a_file_counts_as_absent(repo: RepoState) -> None:
    (repo.folder / "last.json").mkdir(parents=True)
    assert repo.last() is None


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot write .*trust\.json") as caught:
        RepoState(tmp_path / "file" / "loom", tmp_path).accept(DIGEST, WHEN)
    assert "XDG_STATE_HOME" in caught.value.hint
