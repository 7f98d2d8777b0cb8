"""`loom ignore`, marks in files and `.loom/memory.yaml`, with the real program in real repositories."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.repos import Repo

BUG = "def total(items, seen=[]):\n    seen.append(items)\n    return seen\n"
KEY = "AKIA" + "A2B3C4D5E6F7G2H3"
CI = {"CI": "true"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A warning (mutable default) and a blocker (a key) in the working tree of a branch."""
    made = Repo.init(tmp_path / "repo")
    made.git("config", "user.name", "Ada Lovelace")
    made.commit("first", {"a.py": "x = 1\n"})
    made.branch("feature")
    return made.write({"a.py": BUG, "b.py": f'key = "{KEY}"\n'})


def run(repo: Repo, *args: str, env: dict[str, str] | None = None) -> Ran:
    ran = loom(*args, cwd=repo.root, env=env)
    assert "Traceback" not in ran.err, ran.err
    return ran


def review(repo: Repo, *flags: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    ran = run(repo, "review", "--offline", "--format", "json", *flags, env=env)
    result: dict[str, Any] = json.loads(ran.out)
    assert ran.code == result["outcome"]["exit_code"]
    return result


def prints(result: dict[str, Any]) -> dict[str, str]:
    """Rule -> fingerprint"""
    return {f["rule"]: f["fingerprint"] for f in result["findings"]}


def by(result: dict[str, Any]) -> list[tuple[str, str]]:
    found = [d["finding"]["suppressed_by"] for d in result["dropped"] if d["reason"] == "suppressed"]
    return [(entry["where"], entry["reason"]) for entry in found]


def slugs(result: dict[str, Any]) -> list[str]:
    return [w["slug"] for w in result["warnings"]]


MUTABLE, SECRET = "mutable-default-argument", "secrets/aws-access-key-id"


def test_an_ignored_finding_is_counted_neither_new_nor_fixed_and_can_be_had_back(repo: Repo) -> None:
    found = prints(review(repo))
    assert set(found) == {MUTABLE, SECRET}
    ran = run(repo, "ignore", found[MUTABLE][:6], "--reason", "seen is a cache")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith(f"ignored: {found[MUTABLE]}  a.py:1 ")
    result = review(repo)
    assert (set(prints(result)), by(result), result["fixed"]) == ({SECRET}, [("loom ignore", "seen is a cache")], [])
    assert "1 finding ignored: 1 by loom ignore (seen is a cache)" in run(repo, "review", "--offline", "--last").out
    assert found[MUTABLE] in run(repo, "ignore", "--list").out
    assert run(repo, "ignore", "--undo", found[MUTABLE]).code == 0
    assert {f["rule"]: f["state"] for f in review(repo)["findings"]} == {MUTABLE: "open", SECRET: "open"}
    assert run(repo, "ignore", "--list").out == "nothing is ignored here\n"


def test_a_blocker_is_ignored_for_a_reason_only(repo: Repo) -> None:
    secret = prints(review(repo))[SECRET]
    ran = run(repo, "ignore", secret)
    assert (ran.code, "a blocker is only ignored for a reason" in ran.err) == (2, True)
    assert run(repo, "ignore", secret, "--reason", f"revoked {KEY}").code == 0
    result = review(repo)
    assert result["outcome"]["blocking"] is False
    assert KEY not in json.dumps(result)
    assert KEY not in run(repo, "ignore", "--list").out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "nothing says which finding to ignore"),
        (("--list", "--undo", "abcd"), "cannot be used together"),
        (("--list", "--reason", "x"), "belong to a fingerprint"),
        (("0000000000000000",), "has the fingerprint"),
        (("--undo", "abcd"), "is none of your entries"),
        (("FOUND", "--reason", " "), "--reason is empty"),
        (("FOUND", "--expires", "someday"), "is no date"),
        (("FOUND", "--expires", "2020-01-01"), "not in the time to come"),
        (("FOUND", "--shared"), "needs a reason"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(repo: Repo, args: tuple[str, ...], said: str) -> None:
    mutable = prints(review(repo))[MUTABLE]
    ran = run(repo, "ignore", *(mutable if arg == "FOUND" else arg for arg in args))
    assert (ran.code, said in ran.err) == (2, True), ran.err
    assert run(repo, "ignore", "--list").out == "nothing is ignored here\n"
    assert not (repo.root / ".loom").exists()


def test_without_a_last_review_there_is_nothing_to_ignore(repo: Repo) -> None:
    assert "there is no last result" in run(repo, "ignore", "abcdef").err


def test_a_shared_entry_goes_into_the_file_and_the_checkout_stays_accepted(repo: Repo) -> None:
    found = prints(review(repo))
    ran = run(repo, "ignore", found[MUTABLE], "--shared", "--reason", "a cache", "--expires", "12w")
    assert ran.code == 0, ran.err
    text = (repo.root / ".loom" / "memory.yaml").read_text()
    assert f'  - fingerprint: "{found[MUTABLE]}"  # a.py:1 ' in text
    assert '    reason: "a cache"\n    author: "Ada Lovelace"\n' in text
    result = review(repo)
    assert (set(prints(result)), by(result)) == ({SECRET}, [(".loom/memory.yaml:5", "a cache")])
    assert "untrusted-memory" not in slugs(result)
    # What somebody else changes in it afterwards has to be accepted again.
    (repo.root / ".loom" / "memory.yaml").write_text(text + "  - {rule: secrets/aws-access-key-id, reason: x}\n")
    result = review(repo)
    assert set(prints(result)) == {MUTABLE, SECRET}
    assert "untrusted-memory" in slugs(result)


def test_a_wrong_memory_file_is_an_error_with_its_place(repo: Repo) -> None:
    repo.write({".loom/memory.yaml": "version: 1\nsuppressions:\n  - rule: S1\n"})
    assert run(repo, "trust").code == 0
    ran = run(repo, "review", "--offline")
    assert ran.code == 2
    assert ".loom/memory.yaml:3:5: suppressions[0]: the `reason` is missing" in ran.err


def test_in_ci_the_memory_of_the_target_branch_counts_and_not_the_changes_own(repo: Repo) -> None:
    repo.git("stash", "-u", "-q")
    repo.git("switch", "-q", "main")
    repo.commit("memory", {".loom/memory.yaml": f"version: 1\nsuppressions:\n  - {{rule: {MUTABLE}, reason: ours}}\n"})
    repo.git("switch", "-q", "-C", "feature")
    repo.git("stash", "pop", "-q")
    repo.write({".loom/memory.yaml": f"version: 1\nsuppressions:\n  - {{rule: {SECRET}, reason: mine}}\n"})
    repo.commit("change")
    result = review(repo, "--base", "main", env=CI)
    assert set(prints(result)) == {SECRET}
    assert by(result) == [(".loom/memory.yaml:3", "ours")]
    alone = review(repo, "--commit", "HEAD", env=CI)
    assert set(prints(alone)) == {MUTABLE, SECRET}
    assert "untrusted-memory" in slugs(alone)


def test_memory_can_be_switched_off_and_kept_elsewhere(repo: Repo) -> None:
    entry = f"version: 1\nsuppressions:\n  - {{rule: {MUTABLE}, reason: ours}}\n"
    repo.write({".loom/config.yaml": "memory: {file: quiet.yaml}\n", ".loom/quiet.yaml": entry})
    assert run(repo, "trust").code == 0
    assert by(review(repo)) == [(".loom/quiet.yaml:3", "ours")]
    repo.write({".loom/config.yaml": "memory: {file: quiet.yaml, enabled: false}\n"})
    assert run(repo, "trust").code == 0
    assert set(prints(review(repo))) == {MUTABLE, SECRET}


def test_a_mark_that_a_change_brings_cannot_let_its_own_blocker_through(repo: Repo) -> None:
    mine = f'key = "{KEY}"  # loom: ignore[{SECRET}] not a key, honest\n'
    repo.write({"b.py": mine, "a.py": BUG.replace("[]):", f"[]):  # loom: ignore[{MUTABLE}] a cache")})
    repo.commit("change")
    result = review(repo, "--base", "main", env=CI)
    assert set(prints(result)) == {SECRET}
    assert result["outcome"]["exit_code"] == 1
    assert slugs(result).count("own-ignore") == 2
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "feature")
    repo.branch("next")
    repo.commit("more", {"b.py": mine + "more = 1\n"})
    assert review(repo, "--base", "main", env=CI)["findings"] == []


CAUGHT = "try:\n    total([])\nexcept Exception as error:\n    report(error)\n"


def play(folder: Path, name: str, *found: tuple[str, str, int, str]) -> None:
    """A program on PATH that says what ruff or pylint would: (path, rule, line, message)."""
    results = [
        {
            "ruleId": rule,
            "level": "warning",
            "message": {"text": message},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": line}}}],
        }
        for path, rule, line, message in found
    ]
    said = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": name}}, "results": results}]}
    (folder / f"{name}.json").write_text(json.dumps(said))
    program = folder / name
    program.write_text(f'#!/bin/sh\ncat "{folder}/{name}.json"\nexit 1\n')
    program.chmod(0o755)


def test_what_is_ignored_stays_so_when_linters_are_installed_or_taken_away(tmp_path: Path) -> None:
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"a.py": "x = 1\n", "ruff.toml": "line-length = 100\n"})
    made.write({"a.py": BUG + CAUGHT})
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    git = shutil.which("git")
    assert git is not None
    bare = {"PATH": os.pathsep.join((str(Path(git).parent), "/bin"))}
    with_ruff = {"PATH": os.pathsep.join((str(bin_), bare["PATH"]))}

    before = prints(review(made, env=bare))
    assert set(before) == {MUTABLE}
    play(
        bin_,
        "ruff",
        ("a.py", "B006", 1, "Do not use mutable data structures for argument defaults"),
        ("a.py", "BLE001", 6, "Do not catch blind exception: `Exception`"),
    )
    result = review(made, env=with_ruff)
    assert [(f["sources"], f["rule"], f["state"]) for f in result["findings"]] == [
        (["rules", "linter/ruff"], MUTABLE, "open"),
        (["linter/ruff"], "BLE001", "new"),
    ]
    assert (prints(result)[MUTABLE], result["fixed"]) == (before[MUTABLE], [])
    assert run(made, "ignore", before[MUTABLE], "--reason", "a cache", env=bare).code == 0
    assert set(prints(review(made, env=with_ruff))) == {"BLE001"}
    result = review(made, env=bare)
    assert (prints(result), result["fixed"]) == ({}, [])
