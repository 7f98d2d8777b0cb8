"""`loom review` in a pull request's job, on every platform: what ends up on the forge, once and on the right lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.forge.core import Pull
from support.forge.rig import FAKES, Rig, rig

BASE = {"cart.py": "def total(items):\n    return sum(items)\n", "README.md": "# Cart\n"}
BAD = {
    "cart.py": 'def total(items, seen=[]):\n    assert (items, "no items")\n    seen.append(1)\n    return sum(items)\n'
}
BETTER = {"cart.py": 'def total(items):\n    assert (items, "no items")\n    return sum(items)\n'}


@pytest.fixture(params=FAKES)
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with rig(request.param, tmp_path / "forge", files=BASE) as up:
        yield up


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def job(forge: Rig, opened: Pull, folder: Path, token: str | None = None) -> dict[str, str]:
    """The variables of a job for the pull request."""
    project = forge.fake.project(forge.server.url)
    token = token or forge.fake.full_token()
    if project.platform == "gitlab":
        return {
            "CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": str(opened.number), "CI_MERGE_REQUEST_PROJECT_PATH": project.repo,
            "CI_MERGE_REQUEST_PROJECT_ID": "1", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
            "CI_API_V4_URL": project.api_url, "CI_SERVER_URL": project.web_url, "CI_COMMIT_SHA": opened.head,
            "CI_MERGE_REQUEST_EVENT_TYPE": "detached", "LOOM_GITLAB_TOKEN": token,
        }  # fmt: skip
    own = {"id": 1, "full_name": project.repo}
    told = {
        "number": opened.number, "title": opened.title, "draft": False, "labels": [],
        "user": {"login": opened.author.login}, "head": {"sha": opened.head, "ref": opened.branch, "repo": own},
        "base": {"sha": forge.forge.tip("main"), "ref": "main", "repo": own},
    }  # fmt: skip
    path = folder.parent / "event.json"
    path.write_text(json.dumps({"action": "synchronize", "number": opened.number, "pull_request": told}))
    which = {"github": {}, "gitea": {"GITEA_ACTIONS": "true"}, "forgejo": {"FORGEJO_ACTIONS": "true"}}
    return {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": project.repo, "GITHUB_SERVER_URL": project.web_url, "GITHUB_API_URL": project.api_url,
        "GITHUB_RUN_ID": "1", "GITHUB_TOKEN": token, **which[project.platform],
    }  # fmt: skip


def review(forge: Rig, opened: Pull, folder: Path, *flags: str, token: str | None = None) -> tuple[Ran, dict[str, Any]]:
    """The job's review, and its result."""
    ran = loom("review", "--format", "json", *flags, cwd=folder, env=job(forge, opened, folder, token))
    assert "Traceback" not in ran.err
    return ran, json.loads(ran.out) if ran.out.startswith("{") else {}


def general(forge: Rig) -> list[str]:
    return [said.body for said in forge.forge.said if said.thread is None and not said.deleted]


def threads(forge: Rig) -> list[tuple[str, int | None]]:
    return sorted((talk.path, talk.line) for talk in forge.forge.talks)


def test_a_review_is_posted_once_and_kept_up_to_date(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD, title="Remember what was seen")
    ran, result = review(forge, opened, empty)
    assert ran.code == 1, ran.err
    assert result["outcome"]["delivered"] is True
    assert threads(forge) == [("cart.py", 1), ("cart.py", 2)]
    assert {p["where"] for p in result["placements"]} == {"inline"}
    assert len(general(forge)) == 1

    again, result = review(forge, opened, empty)
    assert again.code == 1
    assert {p["where"] for p in result["placements"]} == {"deduped"}
    assert [action for action in result["actions"] if action["verb"] != "GET"] == []
    assert len(general(forge)) == 1


def test_what_is_fixed_is_settled_and_the_rest_stays_one_thread(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    assert review(forge, opened, empty)[0].code == 1
    forge.forge.push(opened, BETTER)
    ran, result = review(forge, opened, empty)
    assert ran.code == 1
    assert [f["rule"] for f in result["findings"]] == ["assert-on-tuple"]
    assert len(forge.forge.talks) == 2
    assert len(general(forge)) == 1
    assert "fixed" in general(forge)[0].lower()


def test_a_dry_run_says_everything_and_writes_nothing(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    ran = loom("review", "--dry-run", cwd=empty, env=job(forge, opened, empty))
    assert ran.code == 1
    assert "would post a comment on cart.py:1" in ran.out
    assert "would post a comment\n" in ran.out
    assert threads(forge) == []
    assert general(forge) == []


def test_a_token_that_may_only_read_loses_nothing_and_says_so(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BETTER)
    ran, result = review(forge, opened, empty, token=forge.fake.reading_token())
    assert threads(forge) == []
    assert ran.code == 1  # the blocker counts, posted or not
    where = {p["where"] for p in result["placements"]}
    if forge.name == "github":  # its runner shows what a job writes into its log
        assert (where, result["outcome"]["delivered"]) == ({"annotation"}, True)
        assert "::error file=cart.py,line=2" in ran.err
    else:
        assert (where, result["outcome"]["delivered"]) == ({"log"}, False)
