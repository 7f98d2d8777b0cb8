"""The steps of action.yml, run with the real Loom against a fake GitHub: what ends up on the pull request."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.composite import Job, python_without_installing
from support.data import ROOT
from support.forge.core import Pull
from support.forge.rig import Rig, rig

BASE = {"cart.py": "def total(items):\n    return sum(items)\n"}
BAD = {"cart.py": "def total(items, seen=[]):\n    seen.append(1)\n    return sum(items)\n"}
LOOM = f'#!/bin/sh\nexec "{sys.executable}" -m loom "$@"\n'


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path / "forge", files=BASE) as up:
        yield up


class Runner:
    """Jobs of the fake forge, each in a workspace without a checkout."""

    def __init__(self, forge: Rig, tmp: Path) -> None:
        self.forge, self.tmp = forge, tmp
        self.workspace = tmp / "work"
        self.workspace.mkdir()

    def uses(self, event: str, payload: dict[str, Any], token: str, *, job: str = "job", **inputs: str) -> Job:
        path = self.tmp / "event.json"
        path.write_text(json.dumps(payload))
        temp = self.tmp / job
        project = self.forge.fake.project(self.forge.server.url)
        return Job(
            action=ROOT / "action.yml",
            temp=temp,
            workspace=self.workspace,
            inputs={"python": str(python_without_installing(temp, LOOM)), **inputs},
            github={"event_name": event, "token": token, "event": payload, "run_id": 1},
            env={
                "GITHUB_EVENT_PATH": str(path),
                "GITHUB_REPOSITORY": project.repo,
                "GITHUB_SERVER_URL": project.web_url,
                "GITHUB_API_URL": project.api_url,
                "GITHUB_RUN_ID": "1",
            },
        ).run()

    def pull_request(self, opened: Pull) -> dict[str, Any]:
        own = {"id": 1, "full_name": self.forge.forge.name}
        head = {"id": 2, "full_name": opened.source_repo} if opened.fork else own
        told = {
            "number": opened.number,
            "head": {"sha": opened.head, "ref": opened.branch, "repo": head},
            "base": {"sha": self.forge.forge.tip("main"), "ref": "main", "repo": own},
        }
        return {"action": "synchronize", "number": opened.number, "pull_request": told}

    def workflow_run(self, opened: Pull) -> dict[str, Any]:
        head = {"id": 2, "full_name": opened.source_repo, "owner": {"login": opened.author.login}}
        own = {"id": 1, "full_name": self.forge.forge.name, "name": "demo", "owner": {"login": "octo", "id": 1}}
        run = {"id": 1, "event": "pull_request", "head_sha": opened.head, "head_branch": opened.branch}
        return {
            "action": "completed",
            "workflow_run": {**run, "head_repository": head, "repository": own, "pull_requests": []},
            "repository": own,
        }


@pytest.fixture
def runner(forge: Rig, tmp_path: Path) -> Runner:
    return Runner(forge, tmp_path)


def test_a_pull_request_is_reviewed_and_the_review_posted_once(forge: Rig, runner: Runner) -> None:
    opened = forge.forge.open_pull(BAD)
    token = forge.fake.full_token()
    for number in range(2):
        job = runner.uses("pull_request", runner.pull_request(opened), token, job=f"job-{number}")
        assert job.failed == 0, job.log
    [talk] = forge.forge.talks_of(opened.number)
    assert (talk.path, talk.line) == ("cart.py", 1)
    assert len(forge.forge.general(opened.number)) == 1
    assert token not in job.log


def test_a_forks_pull_request_is_reviewed_in_two_stages(forge: Rig, runner: Runner) -> None:
    opened = forge.forge.open_pull(BAD, fork=True)
    one = runner.uses(
        "pull_request",
        runner.pull_request(opened),
        forge.fake.reading_token(),
        job="one",
        args="--no-post\n--format\ngithub",
    )
    assert one.failed == 0, one.log
    assert one.outputs["findings"] == "1"
    assert "file=cart.py" in one.log
    assert not list(forge.forge.talks_of(opened.number))
    event, token = runner.workflow_run(opened), forge.fake.full_token()
    own = runner.uses("workflow_run", event, token, job="two", args="--no-post")
    assert own.failed == 0, own.log
    two = runner.uses(
        "workflow_run",
        event,
        token,
        job="two",
        command="publish",
        args=f"--own\n{own.outputs['result-file']}",
        results=one.outputs["result-file"],
    )
    assert two.failed == 0, two.log
    [talk] = forge.forge.talks_of(opened.number)
    assert (talk.path, talk.line) == ("cart.py", 1)
    assert len(forge.forge.general(opened.number)) == 1


def test_with_a_token_that_may_not_write_the_findings_are_annotations_and_kept(forge: Rig, runner: Runner) -> None:
    opened = forge.forge.open_pull(BAD)
    job = runner.uses("pull_request", runner.pull_request(opened), forge.fake.reading_token())
    assert "::warning file=cart.py,line=1," in job.log
    assert "the token in GITHUB_TOKEN needs pull_requests=write" in job.log
    assert job.outputs["findings"] == "1"


def test_shards_are_posted_as_one_review(forge: Rig, runner: Runner) -> None:
    opened = forge.forge.open_pull(BAD)
    event, token = runner.pull_request(opened), forge.fake.full_token()
    for part in ("1/2", "2/2"):
        job = runner.uses("pull_request", event, token, job=f"part-{part[0]}", args=f"--shard\n{part}\n--no-post")
        assert job.failed == 0, job.log
    assert not list(forge.forge.talks_of(opened.number))
    results = str(runner.tmp / "part-*" / "loom" / "out.*" / "loom-result.json")
    job = runner.uses("pull_request", event, token, job="publish", command="publish", results=results)
    assert job.failed == 0, job.log
    assert [(talk.path, talk.line) for talk in forge.forge.talks_of(opened.number)] == [("cart.py", 1)]
    assert job.outputs["findings"] == "1"
