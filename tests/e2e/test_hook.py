"""`loom hook` with real git: what a push brings is reviewed before it leaves, and nothing else keeps anyone from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.cli import Ran, loom
from support.data import ROOT
from support.fake_model import FakeModel
from support.repos import Repo

from loom.infra import yaml

FINE = "def total(items):\n    return sum(items)\n"
BAD = "assert (total([1]) == 1, 'sums')\n"
"""A tuple is always true: a blocker of builtin/rules."""
REPLY = {
    "summary": "Reviewed.",
    "coverage": ["cart.py#1"],
    "findings": [
        {
            "path": "cart.py", "line": 3, "end_line": 3, "side": "new", "severity": "blocker", "category": "bug",
            "title": "The model does not like it", "message": "It says why.", "quote": "RATE = 2", "suggestion": None,
            "confidence": 0.9, "rule": None,
        }
    ],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A clone with the hook, and its bare remote."""

    repo: Repo
    remote: Repo

    def push(self, *args: str, cwd: Path | None = None, path: str | None = None) -> Ran:
        """A real `git push`."""
        kept = {name: os.environ[name] for name in ("HOME", "GIT_CONFIG_NOSYSTEM")}
        done = subprocess.run(
            ["git", "push", *(args or ("origin", "HEAD"))],
            cwd=cwd or self.repo.root,
            env={**kept, "PATH": path or os.environ["PATH"], "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def has(self, ref: str) -> str:
        """What the remote has there; empty when there is none."""
        return self.remote.git("rev-parse", "--verify", "--quiet", ref, ok=False)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One pushed commit on main, then the hook."""
    remote = Repo.init(tmp_path / "remote.git", "--bare")
    repo = Repo.init(tmp_path / "repo")
    repo.commit("first", {"cart.py": FINE, "README.md": "Carts.\n"})
    repo.git("remote", "add", "origin", str(remote.root))
    repo.git("push", "-q", "-u", "origin", "main")
    made = Place(repo, remote)
    assert loom("hook", "install", cwd=repo.root).code == 0
    return made


# -- what is stopped, and what is not ---------------------------------------------------------------------------------


def test_a_push_without_findings_goes_on_with_one_line_that_says_what_was_looked_at(place: Place) -> None:
    head = place.repo.commit("more", {"cart.py": FINE + "RATE = 2\n"})
    ran = place.push()
    assert ran.code == 0
    assert "loom: main: Reviewed 1 file (+1 -0): nothing found.\n" in ran.err
    assert place.has("main") == head


def test_a_deterministic_finding_at_the_bar_stops_the_push_and_is_shown(place: Place) -> None:
    before = place.has("main")
    place.repo.commit("bad", {"cart.py": FINE + BAD})
    ran = place.push()
    assert ran.code == 1
    assert "cart.py:3" in ran.out
    assert "assert" in ran.out
    assert "the push is stopped" in ran.err
    assert "git push --no-verify" in ran.err
    assert place.has("main") == before


def test_no_verify_pushes_anyway(place: Place) -> None:
    head = place.repo.commit("bad", {"cart.py": FINE + BAD})
    assert place.push("--no-verify", "origin", "main").code == 0
    assert place.has("main") == head


def test_only_the_pushed_commits_are_reviewed_not_what_the_working_tree_has(place: Place) -> None:
    place.repo.commit("fine", {"cart.py": FINE + "RATE = 2\n"})
    place.repo.write({"cart.py": FINE + BAD, "other.py": BAD})
    ran = place.push()
    assert ran.code == 0
    assert "Reviewed 1 file (+1 -0): nothing found." in ran.err


def test_what_the_remote_already_has_is_not_reviewed_again(place: Place) -> None:
    place.repo.commit("bad", {"old.py": BAD})
    place.push("--no-verify", "origin", "main")
    place.repo.commit("fine", {"new.py": FINE})
    ran = place.push()
    assert ran.code == 0
    assert "Reviewed 1 file (+2 -0)" in ran.err


# -- which refs -------------------------------------------------------------------------------------------------------


def test_a_new_branch_is_compared_with_what_the_remote_has(place: Place) -> None:
    place.repo.branch("feature")
    place.repo.commit("bad", {"feature.py": BAD})
    ran = place.push()
    assert ran.code == 1
    assert "feature.py:1" in ran.out
    assert "cart.py" not in ran.out
    assert place.has("feature") == ""


def test_a_new_branch_without_new_commits_and_one_on_top_of_a_pushed_one(place: Place) -> None:
    place.repo.branch("same")
    ran = place.push()
    assert (ran.code, "loom" in ran.err) == (0, False)
    place.repo.branch("stacked")
    place.repo.commit("lower", {"lower.py": BAD})
    place.push("--no-verify", "origin", "HEAD")
    place.repo.branch("upper")
    place.repo.commit("upper", {"upper.py": FINE})
    ran = place.push()
    assert ran.code == 0
    assert "loom: upper: Reviewed 1 file (+2 -0): nothing found." in ran.err


def test_deleting_a_branch_and_pushing_a_tag_do_nothing(place: Place) -> None:
    place.repo.git("push", "-q", "origin", "main:doomed")
    place.repo.git("tag", "-a", "v1", "-m", "one")
    for ran in (place.push("origin", ":doomed"), place.push("origin", "v1"), place.push("origin", "main")):
        assert ran.code == 0
        assert "loom" not in ran.err
    assert place.has("doomed") == ""
    assert place.has("v1")


def test_several_refs_are_reviewed_and_one_bad_one_stops_all(place: Place) -> None:
    place.repo.branch("good")
    place.repo.commit("good", {"good.py": FINE})
    place.repo.branch("bad", "main")
    place.repo.commit("bad", {"bad.py": BAD})
    ran = place.push("origin", "good", "bad", "good:again")
    assert ran.code == 1
    assert ran.err.count("loom: good: Reviewed 1 file") == 1
    assert "bad.py:1" in ran.out
    assert (place.has("good"), place.has("bad")) == ("", "")


def test_a_rewritten_branch_is_compared_with_what_is_still_shared(place: Place) -> None:
    place.repo.branch("feature")
    place.repo.commit("one", {"one.py": FINE})
    place.push()
    place.repo.git("commit", "-q", "--amend", "-m", "one, better")
    place.repo.commit("two", {"two.py": BAD})
    ran = place.push("--force", "origin", "feature")
    assert ran.code == 1
    assert "two.py:1" in ran.out


def test_what_others_did_on_main_is_not_counted_as_pushed_after_merging_it(place: Place) -> None:
    place.repo.branch("feature")
    place.repo.commit("mine", {"mine.py": FINE})
    place.push()
    place.repo.git("switch", "-q", "main")
    place.repo.commit("theirs", {"theirs.py": BAD})
    place.repo.git("push", "-q", "--no-verify", "origin", "main")
    place.repo.git("switch", "-q", "feature")
    place.repo.git("merge", "-q", "--no-edit", "main")
    ran = place.push()
    assert ran.code == 0
    assert "loom: feature: Reviewed 1 file (+2 -0): nothing found." in ran.err


def test_the_first_push_to_an_empty_remote_is_reviewed_whole(tmp_path: Path) -> None:
    remote = Repo.init(tmp_path / "remote.git", "--bare")
    repo = Repo.init(tmp_path / "repo")
    repo.commit("first", {"cart.py": FINE + BAD})
    repo.git("remote", "add", "origin", str(remote.root))
    assert loom("hook", "install", cwd=repo.root).code == 0
    ran = Place(repo, remote).push("origin", "main")
    assert ran.code == 1
    assert "cart.py:3" in ran.out


# -- models, time, faults ---------------------------------------------------------------------------------------------


def modelled(place: Place, config: str, **files: str) -> None:
    """A configuration that is already on the remote."""
    place.repo.commit("configure", {".loom/config.yaml": config, **{f".loom/{n}.json": t for n, t in files.items()}})
    place.repo.git("push", "-q", "--no-verify", "origin", "main")


def test_a_model_advises_and_stops_nothing_even_where_it_fails_a_review(place: Place) -> None:
    modelled(
        place,
        "models:\n  default: {provider: scripted, model: replies.json}\n"
        "output: {fail_on_model: blocker}\npipelines:\n  - {name: review}\n",
        replies=json.dumps([{"reply": REPLY}]),
    )
    head = place.repo.commit("more", {"cart.py": FINE + "RATE = 2\n"})
    ran = place.push()
    assert "The model does not like it" in ran.out
    assert ran.code == 0
    assert place.has("main") == head


def test_a_model_that_does_not_answer_in_time_is_not_waited_for_and_the_push_goes_on(place: Place) -> None:
    silent = threading.Event()

    def never(_: str, __: object) -> str:
        silent.wait(30)
        return "late"

    with FakeModel(never) as server:
        modelled(
            place,
            f"models: {{default: {{base_url: '{server.url('openai')}', model: m}}}}\n"
            "pipelines:\n  - {name: review}\n  - {name: rules, uses: builtin/rules}\n",
        )
        assert loom("trust", cwd=place.repo.root).code == 0
        assert loom("hook", "install", "--max-seconds", "2", cwd=place.repo.root).out.startswith("renewed: ")
        head = place.repo.commit("more", {"cart.py": FINE + "RATE = 2\n"})
        ran = place.push()
        silent.set()
    assert ran.code == 0, ran.err
    assert "not everything was reviewed; the push goes on" in ran.err
    assert place.has("main") == head


def test_a_configuration_with_an_error_stops_the_push_and_says_how_to_push_anyway(place: Place) -> None:
    modelled(place, "pipelines: 7\n")
    place.repo.commit("more", {"cart.py": FINE + "RATE = 2\n"})
    ran = place.push()
    assert ran.code == 1
    assert ".loom/config.yaml" in ran.err
    assert "anyway: git push --no-verify" in ran.err


def test_where_loom_is_gone_the_push_goes_on_and_says_that_nothing_was_reviewed(place: Place, tmp_path: Path) -> None:
    hook = place.repo.root / ".git" / "hooks" / "pre-push"
    hook.write_text(hook.read_text().replace(str(Path(sys.executable).parent), str(tmp_path / "gone")))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh"):
        (tools / name).symlink_to(shutil.which(name) or "")
    head = place.repo.commit("bad", {"cart.py": FINE + BAD})
    ran = place.push(path=str(tools))
    assert ran.code == 0
    assert "loom: not reviewed: neither" in ran.err
    assert place.has("main") == head


# -- the hook file ----------------------------------------------------------------------------------------------------


def test_the_hook_names_the_program_in_full_so_that_it_works_without_a_path(place: Place, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh"):
        (tools / name).symlink_to(shutil.which(name) or "")
    place.repo.commit("bad", {"cart.py": FINE + BAD})
    assert place.push(path=str(tools)).code == 1


def test_a_work_tree_has_the_hook_too(place: Place, tmp_path: Path) -> None:
    place.repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    linked = Repo(tmp_path / "linked")
    linked.commit("bad", {"linked.py": BAD})
    ran = place.push(cwd=linked.root)
    assert ran.code == 1
    assert "linked.py:1" in ran.out
    assert loom("hook", "uninstall", cwd=linked.root).code == 0
    assert place.push(cwd=linked.root).code == 0


def test_the_folder_that_core_hookspath_names_is_used_and_told(place: Place) -> None:
    place.repo.git("config", "core.hooksPath", ".githooks")
    ran = loom("hook", "install", cwd=place.repo.root)
    assert ran.code == 0
    assert "part of the working tree" in ran.out
    place.repo.commit("bad", {"cart.py": FINE + BAD})
    assert place.push().code == 1
    assert (place.repo.root / ".githooks" / "pre-push").is_file()


def test_installing_twice_is_the_same_and_uninstalling_removes_it(place: Place) -> None:
    hook = place.repo.root / ".git" / "hooks" / "pre-push"
    before = hook.read_bytes()
    assert os.access(hook, os.X_OK)
    assert loom("hook", "install", cwd=place.repo.root).code == 0
    assert hook.read_bytes() == before
    assert loom("hook", "uninstall", cwd=place.repo.root).out.startswith("removed: ")
    assert not hook.exists()
    assert loom("hook", "uninstall", cwd=place.repo.root).code == 0


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("#!/bin/sh\nmake test\n", 'loom hook run pre-push "$@" || exit 1'),
        ("#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\n", "loom-pre-push"),
        ("#!/bin/sh\ncall_lefthook run pre-push\n", "lefthook"),
        (". husky.sh\n", ".husky/pre-push"),
        ("", "loom hook run pre-push"),
    ],
)
def test_somebody_elses_hook_stays_and_the_hint_says_how_to_have_both(place: Place, content: str, hint: str) -> None:
    hook = place.repo.root / ".git" / "hooks" / "pre-push"
    hook.write_text(content)
    for command in ("install", "uninstall"):
        ran = loom("hook", command, cwd=place.repo.root)
        assert ran.code == 2
        assert hook.read_text() == content
    assert hint in loom("hook", "install", cwd=place.repo.root).err


def test_a_hook_that_is_a_link_is_somebody_elses(place: Place, tmp_path: Path) -> None:
    hook = place.repo.root / ".git" / "hooks" / "pre-push"
    kept = tmp_path / "shared-hook"
    hook.rename(kept)
    hook.symlink_to(kept)
    assert loom("hook", "install", cwd=place.repo.root).code == 2
    assert hook.is_symlink()


def test_the_line_of_the_hint_works_in_somebody_elses_hook(place: Place) -> None:
    hook = place.repo.root / ".git" / "hooks" / "pre-push"
    program = f"{sys.executable} -m loom"
    hook.write_text(f'#!/bin/sh\n{program} hook run pre-push "$@" || exit 1\n')
    place.repo.commit("bad", {"cart.py": FINE + BAD})
    assert place.push().code == 1


# -- pre-commit -------------------------------------------------------------------------------------------------------


def test_what_is_staged_can_be_reviewed_before_a_commit(place: Place) -> None:
    place.repo.write({"cart.py": FINE + BAD})
    assert loom("hook", "run", "pre-commit", cwd=place.repo.root).code == 0
    place.repo.git("add", "-A")
    ran = loom("hook", "run", "pre-commit", cwd=place.repo.root)
    assert ran.code == 1
    assert "git commit --no-verify" in ran.err


def test_the_pre_commit_framework_names_the_commits_in_its_own_way(place: Place) -> None:
    first = place.repo.head()
    bad = place.repo.commit("bad", {"cart.py": FINE + BAD})
    env = {"PRE_COMMIT_REMOTE_NAME": "origin", "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/main"}
    names = {**env, "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/main"}
    ran = loom(
        "hook", "run", "pre-push", cwd=place.repo.root,
        env={**names, "PRE_COMMIT_FROM_REF": first, "PRE_COMMIT_TO_REF": bad},
    )  # fmt: skip
    assert ran.code == 1
    assert "cart.py:3" in ran.out


def test_the_hooks_offered_to_the_framework_are_commands_of_ours(place: Place) -> None:
    offered = yaml.load((ROOT / ".pre-commit-hooks.yaml").read_bytes(), file=".pre-commit-hooks.yaml").value
    assert [hook["id"] for hook in offered] == ["loom", "loom-pre-push"]
    for hook in offered:
        words = hook["entry"].split()
        assert words[:3] == ["loom", "hook", "run"]
        assert [words[3]] == hook["stages"]
        assert loom(*words[1:], cwd=place.repo.root).code == 0
        assert hook["pass_filenames"] is False


def test_an_unknown_hook_is_refused(place: Place) -> None:
    ran = loom("hook", "run", "pre-pusch", cwd=place.repo.root)
    assert ran.code == 2
    assert 'unknown hook "pre-pusch"' in ran.err
