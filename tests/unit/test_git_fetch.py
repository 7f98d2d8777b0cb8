"""Commits fetched by id over real git HTTP: nothing of the repository is changed, and the credential goes to one server
only and stands on no command line."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.forge.rig import CHANGE, Rig, rig
from support.repos import Repo

from loom.core.errors import SourceError
from loom.infra.git import Git
from loom.infra.git_fetch import Remote


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path / "forge") as up:
        yield up


def remote_of(forge: Rig, token: str | None = None) -> Remote:
    value = token or forge.fake.full_token()
    return Remote(url=forge.server.url + forge.fake.clone_path(), credential=("x-access-token", value))


def three(forge: Rig) -> tuple[str, str, str]:
    """(merge base, head, tip of the target) of a pull request whose target went on."""
    pull = forge.forge.open_pull(CHANGE)
    base = forge.forge.merge_base(pull)
    tip = forge.forge.commit("main", {"later.txt": "later\n"})
    return base, pull.head, tip


def paths(git: Git, base: str, head: str) -> list[str]:
    files, unread = git.changes(base, head)
    assert unread == ()
    return [file.path for file in files]


def test_without_a_checkout_commits_land_in_a_temporary_repository(forge: Rig) -> None:
    base, head, tip = three(forge)
    with Git.bare(os.environ) as git:
        assert not git.has(head)
        git.fetch(remote_of(forge), [base, head, tip])
        assert git.has(base)
        assert git.has(head)
        assert git.has(tip)
        assert paths(git, base, head) == ["app.py", "new file.py", "old.txt"]
        assert git.blob(tip, "later.txt") == b"later\n"
        assert git.parents(head) == (base,)


def clone(forge: Rig, root: Path, *options: str) -> Repo:
    return Repo(forge.forge.repo.root).clone(root, *options)


@pytest.mark.parametrize("options", [("--depth=1",), ("--depth=2",), (), ("--depth=1", "--filter=blob:none")])
def test_what_a_clone_lacks_is_brought_beside_it(forge: Rig, tmp_path: Path, options: tuple[str, ...]) -> None:
    forge.forge.repo.git("config", "uploadpack.allowFilter", "true")
    forge.forge.commit("main", {"earlier.txt": "1\n"})
    forge.forge.commit("main", {"earlier.txt": "2\n"})
    checkout = clone(forge, tmp_path / "checkout", *options)
    base, head, tip = three(forge)
    forge.forge.commit("main", {"app.py": None})
    before = checkout.snapshot()
    with Git.discover(checkout.root, os.environ) as git:
        git.fetch(remote_of(forge), [base, head, tip])
        assert paths(git, base, head) == ["app.py", "new file.py", "old.txt"]
        assert git.blob(head, "lib/util.py") == b"def f():\n    return 1\n"
        assert git.blob(tip, "later.txt") == b"later\n"
    assert checkout.snapshot() == before


def test_a_shallow_merge_commit_as_ci_checks_it_out_spares_most_of_the_transfer(forge: Rig, tmp_path: Path) -> None:
    noise = os.urandom(400_000)
    forge.forge.commit("main", {"large.bin": noise})
    base, head, tip = three(forge)
    origin = forge.forge.repo
    tree = origin.git("merge-tree", "--write-tree", tip, head).split("\n")[0]
    merge = origin.git("commit-tree", tree, "-p", tip, "-p", head, "-m", "merge")
    origin.git("update-ref", "refs/pull/1/merge", merge)
    checkout = Repo.init(tmp_path / "checkout")
    url = origin.root.resolve().as_uri()
    checkout.git(
        "-c",
        "protocol.file.allow=always",
        "fetch",
        "-q",
        "--depth=1",
        url,
        "+refs/pull/1/merge:refs/remotes/pull/1/merge",
    )
    checkout.git("checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
    with Git.discover(checkout.root, os.environ) as git:
        assert git.is_shallow()
        assert git.parents(merge) == (tip, head)
        assert not git.has(head)
        git.fetch(remote_of(forge), [base, head, tip])
        assert paths(git, base, head) == ["app.py", "new file.py", "old.txt"]
        assert git.blob(base, "large.bin") == noise
    sent = [len(entry.response.bytes) for entry in forge.server.journal if entry.response is not None]
    assert max(sent) < 100_000


def test_a_commit_that_nobody_has_is_refused_in_one_line(forge: Rig) -> None:
    with Git.bare(os.environ) as git, pytest.raises(SourceError, match=r"git fetch from http://127\.0\.0\.1") as caught:
        git.fetch(remote_of(forge), ["1" * 40])
    assert caught.value.slug == "git-fetch"
    assert "\n" not in caught.value.message


def test_a_wrong_token_is_told_without_the_token(forge: Rig) -> None:
    base, *_ = three(forge)
    secret = "tok_wrong_0123456789abcdef"
    with Git.bare(os.environ) as git, pytest.raises(SourceError) as caught:
        git.fetch(remote_of(forge, secret), [base])
    said = f"{caught.value} {caught.value.hint} {remote_of(forge, secret)!r}"
    assert secret not in said
    assert base64.b64encode(f"x-access-token:{secret}".encode()).decode() not in said


def test_a_redirect_is_not_followed_so_that_no_credential_travels(forge: Rig, tmp_path: Path) -> None:
    from support.forge.server import ForgeServer, Request, Response

    class Elsewhere:
        def answer(self, request: Request) -> Response:
            return Response(302, {}, {"Location": forge.server.url + request.target})

        def error(self, status: int) -> object:
            return {"status": status}

    base, *_ = three(forge)
    with ForgeServer(Elsewhere()) as trap, Git.bare(os.environ) as git:
        remote = Remote(url=f"{trap.url}/octo/demo.git", credential=("x", forge.fake.full_token()))
        with pytest.raises(SourceError):
            git.fetch(remote, [base])
        assert trap.journal[0].request.token is not None
    assert forge.server.journal == []


def test_what_the_user_and_the_repository_configure_has_no_say(forge: Rig, tmp_path: Path) -> None:
    base, head, tip = three(forge)
    marker = tmp_path / "marker"
    checkout = clone(forge, tmp_path / "checkout", "--depth=1")
    for key, value in {
        "credential.helper": f"!touch {marker}",
        "core.askPass": f"touch {marker}",
        "core.sshCommand": f"touch {marker}",
        "core.alternateRefsCommand": f"touch {marker}; true",
        f"url.{tmp_path}/none.insteadOf": forge.server.url,
        "http.proxy": "http://127.0.0.1:1",
        "http.extraHeader": "X-Evil: 1",
    }.items():
        checkout.git("config", key, value)
    for name in ("post-checkout", "reference-transaction", "post-merge"):
        hook = checkout.root / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
        hook.chmod(0o755)
    environ = {**os.environ, "GIT_ASKPASS": f"touch {marker}", "GIT_TRACE_CURL": str(tmp_path / "trace")}
    with Git.discover(checkout.root, environ) as git:
        git.fetch(remote_of(forge), [base, head, tip])
        assert git.has(head)
    assert not marker.exists()
    assert not (tmp_path / "trace").exists()
    assert all("x-evil" not in entry.request.headers for entry in forge.server.journal)


@pytest.mark.parametrize(
    "url", ["/srv/git/demo.git", "file:///srv/git/demo.git", "ext::sh -c touch% marker", "ssh://h/r"]
)
def test_nothing_but_http_is_spoken(url: str) -> None:
    from loom.infra.net import NetError

    with Git.bare(os.environ) as git, pytest.raises(NetError):
        git.fetch(Remote(url=url), ["1" * 40])
