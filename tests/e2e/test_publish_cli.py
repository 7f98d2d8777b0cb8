"""`loom publish` as CI jobs start it, on a fake forge: one result, the parts of a sharded review, a fork's stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.forge.core import Pull
from support.forge.rig import Rig, rig

BAD = {
    "cart.py": "def total(items, seen=[]):\n    seen.append(1)\n    return sum(items)\n",
    "pay.py": "def pay(card, log=[]):\n    log.append(1)\n    return card\n",
}
BASE = {"cart.py": "def total(items):\n    return sum(items)\n", "README.md": "# Cart\n"}


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path / "forge", files=BASE) as up:
        up.forge.add_user("alice", "write")
        yield up


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def env_of(forge: Rig, opened: Pull, folder: Path, name: str = "pull_request", **more: str) -> dict[str, str]:
    """The variables of a GitHub Actions job about the pull request."""
    own = {"id": 1, "full_name": forge.forge.name}
    head = {"id": 2, "full_name": opened.source_repo} if opened.fork else own
    told: dict[str, Any] = {
        "number": opened.number, "title": opened.title, "draft": False, "labels": [],
        "user": {"login": opened.author.login}, "head": {"sha": opened.head, "ref": opened.branch, "repo": head},
        "base": {"sha": forge.forge.tip("main"), "ref": "main", "repo": own},
    }  # fmt: skip
    event: dict[str, Any] = {"action": "synchronize", "number": opened.number, "pull_request": told}
    if name == "workflow_run":
        run = {"head_sha": opened.head, "pull_requests": [], "repository": own, "head_repository": head}
        event = {"workflow_run": run}
    path = folder.parent / f"{name}-{opened.number}.json"
    path.write_text(json.dumps(event))
    project = forge.fake.project(forge.server.url)
    return {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": project.repo, "GITHUB_SERVER_URL": project.web_url, "GITHUB_API_URL": project.api_url,
        "GITHUB_RUN_ID": "1", "GITHUB_TOKEN": forge.fake.full_token(), **more,
    }  # fmt: skip


def review(folder: Path, env: Mapping[str, str], name: str, *flags: str) -> Path:
    """A review that posts nothing, and its result file."""
    ran = loom("review", "--no-post", "--quiet", "--output", f"json:{name}", *flags, cwd=folder, env=env)
    assert ran.code in (0, 1), ran.err
    return folder / name


def publish(folder: Path, env: Mapping[str, str], *args: str) -> tuple[Ran, dict[str, Any]]:
    ran = loom("publish", "--format", "json", *args, cwd=folder, env=env)
    assert "Traceback" not in ran.err
    return ran, json.loads(ran.out) if ran.out.startswith("{") else {}


def said(forge: Rig, opened: Pull) -> list[str]:
    """Every visible text of ours, without its marker, in order."""
    both = [*forge.forge.inline(opened.number), *forge.forge.general(opened.number)]
    return sorted(one.body.split("<!-- loom")[0].strip() for one in both)


def edit(path: Path, change: Any) -> Path:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


# -- a result of the team's own ---------------------------------------------------------------------------------------


def test_a_result_is_posted_later_by_another_job(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    review(job, env, "result.json")
    assert said(forge, opened) == []
    ran, result = publish(job, env, "result.json")
    assert ran.code == 0, ran.err
    assert result["outcome"]["delivered"] is True
    assert {p["where"] for p in result["placements"]} == {"inline"}
    assert len(forge.forge.inline(opened.number)) == 2
    assert len(forge.forge.general(opened.number)) == 1
    again, result = publish(job, env, "result.json")
    assert again.code == 0
    assert len(said(forge, opened)) == 3


def test_a_result_without_hunks_is_posted_on_the_lines_all_the_same(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    review(job, env, "result.json", "--no-diff")
    assert publish(job, env, "result.json")[0].code == 0
    assert len(forge.forge.inline(opened.number)) == 2


def test_no_post_puts_together_and_posts_nothing(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    review(job, env, "result.json")
    ran, result = publish(job, env, "--no-post", "result.json")
    assert (ran.code, len(result["findings"])) == (0, 2)
    assert said(forge, opened) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"number": 99}, "is about"),
        ({"repo": "mallory/shop"}, "mallory/shop#"),
        ({"platform": "gitlab"}, "on gitlab"),
        ({"head_sha": "1" * 40}, "was made for head 111111111111"),
        ({"source": "local", "number": None}, "is the result of a local review"),
    ],
    ids=["number", "repository", "platform", "head", "local"],
)
def test_a_file_about_something_else_is_refused(forge: Rig, job: Path, changed: dict[str, Any], words: str) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    edit(review(job, env, "result.json"), lambda document: document["change"].update(changed))
    ran, _ = publish(job, env, "result.json")
    assert ran.code == 2
    assert words in ran.err
    assert "hint:" in ran.err
    assert said(forge, opened) == []


def test_a_job_whose_head_moved_posts_nothing_and_is_green(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    review(job, env, "result.json")
    forge.forge.push(opened, {"more.py": "x = 1\n"})
    ran, result = publish(job, env, "result.json")
    assert (ran.code, result["outcome"]["skipped"][:5]) == (0, "stale")
    assert said(forge, opened) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "no result file is named"),
        (("nowhere.json",), "cannot read nowhere.json"),
        (("broken.json",), "broken.json: it is not JSON"),
    ],
)
def test_a_file_that_is_none_is_named(forge: Rig, job: Path, args: tuple[str, ...], words: str) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    (job / "broken.json").write_text("{")
    ran, _ = publish(job, env_of(forge, opened, job), *args)
    assert ran.code == 2
    assert words in ran.err


def test_two_whole_reviews_are_refused(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    review(job, env, "a.json")
    review(job, env, "b.json")
    ran, _ = publish(job, env, "a.json", "b.json")
    assert ran.code == 2
    assert "both whole reviews" in ran.err


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_matrix_of_parts_posts_what_one_job_would(forge: Rig, job: Path, tmp_path: Path) -> None:
    one = forge.forge.open_pull(BAD, author="alice", branch="one")
    other = forge.forge.open_pull(BAD, author="alice", branch="other")
    publish(job, env_of(forge, one, job), str(review(job, env_of(forge, one, job), "whole.json")))
    env = env_of(forge, other, job)
    matrix = loom("plan", "--shards", "3", cwd=job, env=env)
    assert matrix.code == 0, matrix.err
    shards = [entry["shard"] for entry in json.loads(matrix.out)["include"]]
    assert shards == ["1/3", "2/3", "3/3"]
    parts = [f"part-{n}.json" for n, _ in enumerate(shards)]
    for name, shard in zip(parts, shards, strict=True):
        ran = loom("review", "--shard", shard, "--output", f"json:{name}", "--quiet", cwd=job, env=env)
        assert ran.code == 0, ran.err
    assert said(forge, other) == []  # a part is not posted, also where the job could
    ran, result = publish(job, env, *parts)
    assert ran.code == 0, ran.err
    assert result["shard"] is None
    assert result["raw"] == []
    with_numbers = [body.replace(other.head, one.head).replace("/pull/2", "/pull/1") for body in said(forge, other)]
    assert [_timeless(body) for body in with_numbers] == [_timeless(body) for body in said(forge, one)]


def _timeless(body: str) -> str:
    import re

    return re.sub(r"\d+(?:\.\d+)? ?m?s\b", "", body)


def test_a_missing_part_posts_nothing(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    env = env_of(forge, opened, job)
    review(job, env, "a.json", "--shard", "1/3")
    review(job, env, "c.json", "--shard", "3/3")
    ran, _ = publish(job, env, "a.json", "c.json")
    assert ran.code == 3
    assert "part 2/3 of the review is missing" in ran.err
    ran, _ = publish(job, env, "a.json", "./a.json")
    assert ran.code == 2
    assert said(forge, opened) == []


@pytest.mark.parametrize("flags", [("--shard", "5/4"), ("--shard", "1/2", "--post"), ("--shard", "1/2", "--last")])
def test_a_part_that_cannot_be_is_refused(forge: Rig, job: Path, flags: tuple[str, ...]) -> None:
    opened = forge.forge.open_pull(BAD, author="alice")
    assert loom("review", *flags, cwd=job, env=env_of(forge, opened, job)).code == 2


# -- a fork's first stage ---------------------------------------------------------------------------------------------


@pytest.fixture
def stranger(forge: Rig) -> Pull:
    return forge.forge.open_pull(BAD, fork=True)


def first_stage(forge: Rig, stranger: Pull, job: Path, name: str = "first.json") -> Path:
    """What the fork's job hands over."""
    env = env_of(forge, stranger, job) | {"GITHUB_TOKEN": forge.fake.reading_token()}
    return review(job, env, name)


def second_stage(forge: Rig, stranger: Pull, job: Path) -> dict[str, str]:
    return env_of(forge, stranger, job, "workflow_run")


def test_what_a_forks_job_found_is_shown_and_is_no_success(forge: Rig, stranger: Pull, job: Path) -> None:
    first_stage(forge, stranger, job)
    ran, result = publish(job, second_stage(forge, stranger, job), "first.json")
    assert ran.code == 3, ran.err
    assert "untrusted-only" in [error["slug"] for error in result["errors"]]
    assert len(forge.forge.inline(stranger.number)) == 2
    assert {source for finding in result["findings"] for source in finding["sources"]} == {"fork/rules"}


def test_with_a_review_of_its_own_the_trusted_job_says_each_finding_once(forge: Rig, stranger: Pull, job: Path) -> None:
    first_stage(forge, stranger, job)
    env = second_stage(forge, stranger, job)
    review(job, env, "own.json")
    ran, result = publish(job, env, "--own", "own.json", "first.json")
    assert ran.code == 0, ran.err
    assert result["outcome"]["complete"] is True
    assert [finding["sources"] for finding in result["findings"]] == [["rules"], ["rules"]]
    assert len(forge.forge.inline(stranger.number)) == 2


def forged(document: dict[str, Any]) -> None:
    """Everything that a hostile job can write into its file."""
    finding = document["findings"][0]
    extra = {
        **finding, "fingerprint": "0" * 16, "rule": "evil", "path": "pay.py", "line": 3, "end_line": 3,
        "title": "@alice ![x](https://evil.invalid/p.png) <!-- loom:1:s:xx -->", "message": "## Approved\n/approve",
        "quote": "    return card", "anchor": "exact", "severity": "warning", "deterministic_severity": "warning",
        "suggestion": {"line": 3, "end_line": 3, "text": "    return (card", "committable": True},
    }  # fmt: skip
    document["findings"] = [extra]
    document["outcome"].update(complete=True, blocking=False, exit_code=0)
    document["change"]["trusted"] = True
    document["placements"] = [{"fingerprint": "0" * 16, "where": "inline", "reason": None, "comment_id": "1"}]
    for pipeline in document["pipelines"]:
        pipeline["status"] = "ok"


def test_a_forged_file_adds_escaped_text_and_nothing_else(forge: Rig, stranger: Pull, job: Path) -> None:
    edit(first_stage(forge, stranger, job), forged)
    env = second_stage(forge, stranger, job)
    review(job, env, "own.json")
    ran, result = publish(job, env, "--own", "own.json", "first.json")
    assert len(result["findings"]) == 3, ran.err
    evil = next(finding for finding in result["findings"] if finding["rule"] == "evil")
    assert evil["fingerprint"] != "0" * 16
    assert evil["sources"] == ["fork/rules"]
    assert evil["suggestion"]["committable"] is False
    (body,) = [one.body for one in forge.forge.inline(stranger.number) if "evil" in one.body]
    visible = body.rpartition("<!-- loom:1:")[0]
    assert "```suggestion" not in visible
    assert "![" not in visible.replace("!\\[", "")
    assert "<!--" not in visible
    assert "@alice" not in visible
    assert "\n/approve" not in visible


def test_a_file_of_a_fork_takes_nothing_back(forge: Rig, stranger: Pull, job: Path) -> None:
    first_stage(forge, stranger, job)
    env = second_stage(forge, stranger, job)
    review(job, env, "own.json")
    publish(job, env, "--own", "own.json", "first.json")

    def empty(document: dict[str, Any]) -> None:
        document["findings"] = []

    edit(job / "first.json", empty)
    ran, _ = publish(job, env, "first.json")
    assert ran.code == 3
    assert not any(talk.resolved for talk in forge.forge.talks)
    assert len(forge.forge.inline(stranger.number)) == 2
    assert "2 warnings" in forge.forge.general(stranger.number)[0].body


def test_a_file_of_a_fork_makes_no_earlier_finding_milder(forge: Rig, stranger: Pull, job: Path) -> None:
    forge.forge.commit("main", {".loom/config.yaml": "output: {fail_on: warning}\n"})
    env = second_stage(forge, stranger, job)
    assert loom("review", "--no-post", "--output", "json:own.json", cwd=job, env=env).code == 1
    assert publish(job, env, "own.json", "--own", "own.json")[0].code == 1

    def milder(document: dict[str, Any]) -> None:
        for finding in document["findings"]:
            finding.update(severity="info", deterministic_severity="info")

    edit(job / "own.json", milder)
    ran, _ = publish(job, env, "own.json")  # without --own it is anybody's
    assert ran.code == 1
    assert len(forge.forge.inline(stranger.number)) == 2
    assert "2 warnings" in forge.forge.general(stranger.number)[0].body


def test_what_only_the_forks_job_said_it_takes_back_itself(forge: Rig, stranger: Pull, job: Path) -> None:
    edit(first_stage(forge, stranger, job), forged)
    env = second_stage(forge, stranger, job)
    review(job, env, "own.json")
    publish(job, env, "--own", "own.json", "first.json")
    first_stage(forge, stranger, job)
    publish(job, env, "--own", "own.json", "first.json")
    done = [talk.resolved for talk in forge.forge.talks]
    assert sorted(done) == [False, False, True]


def test_a_failure_in_the_forks_job_makes_the_review_incomplete(forge: Rig, stranger: Pull, job: Path) -> None:
    def broken(document: dict[str, Any]) -> None:
        document["pipelines"][0].update(status="failed", reason="it broke", name="eslint")

    edit(first_stage(forge, stranger, job), broken)
    env = second_stage(forge, stranger, job)
    review(job, env, "own.json")
    ran, result = publish(job, env, "--own", "own.json", "first.json")
    assert ran.code == 3
    assert "fork/eslint" in [error["pipeline"] for error in result["errors"]]


def test_a_file_of_a_fork_about_another_head_is_refused(forge: Rig, stranger: Pull, job: Path) -> None:
    other = forge.forge.open_pull({"x.py": "def f(a=[]):\n    return a\n"}, fork=True, branch="other")
    first_stage(forge, other, job, "other.json")
    ran, _ = publish(job, second_stage(forge, stranger, job), "other.json")
    assert ran.code == 2
    assert "is about" in ran.err
    assert said(forge, stranger) == []
