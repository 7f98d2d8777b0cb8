"""`loom review` on a pull request, as a CI job and a person start it, against a fake forge with real git over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.forge.core import Pull
from support.forge.faults import Fault
from support.forge.rig import Rig, rig
from support.repos import Repo

KEY = "sk-test-0123456789abcdefghij"
BAD = {"cart.py": "def total(items, seen=[]):\n    seen.append(1)\n    return sum(items)\n"}
BASE = {"cart.py": "def total(items):\n    return sum(items)\n", "README.md": "# Cart\n"}


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path / "forge", files=BASE) as up:
        yield up


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def actions(forge: Rig, name: str, event: Mapping[str, Any], folder: Path, **more: str) -> dict[str, str]:
    """The variables of a GitHub Actions job, its token among them."""
    path = folder.parent / "event.json"
    path.write_text(json.dumps(event))
    project = forge.fake.project(forge.server.url)
    return {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": project.repo, "GITHUB_SERVER_URL": project.web_url, "GITHUB_API_URL": project.api_url,
        "GITHUB_RUN_ID": "1", "GITHUB_TOKEN": forge.fake.full_token(), **more,
    }  # fmt: skip


def payload(forge: Rig, opened: Pull, **more: Any) -> dict[str, Any]:
    """The event of a pull request."""
    own = {"id": 1, "full_name": forge.forge.name}
    head = {"id": 2, "full_name": opened.source_repo} if opened.fork else own
    told = {
        "number": opened.number, "title": opened.title, "draft": opened.draft, "labels": [],
        "user": {"login": opened.author.login}, "head": {"sha": opened.head, "ref": opened.branch, "repo": head},
        "base": {"sha": forge.forge.tip("main"), "ref": "main", "repo": own},
    }  # fmt: skip
    return {"action": "synchronize", "number": opened.number, "pull_request": told, **more}


def review(folder: Path, env: Mapping[str, str], *flags: str) -> tuple[Ran, dict[str, Any]]:
    """A review that posts nothing, and its result file."""
    ran = loom("review", "--no-post", "--format", "json", *flags, cwd=folder, env=env)
    assert "Traceback" not in ran.err
    return ran, json.loads(ran.out) if ran.out else {}


def rules_of(result: dict[str, Any]) -> list[str]:
    return [finding["rule"] for finding in result["findings"]]


# -- in a CI job ------------------------------------------------------------------------------------------------------


def test_a_job_of_a_pull_request_reviews_it_without_a_checkout(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD, title="Remember what was seen")
    forge.forge.commit("main", {"README.md": "# Carts\n"})
    ran, result = review(empty, actions(forge, "pull_request", payload(forge, opened), empty))
    change = result["change"]
    assert ran.code == 0
    assert rules_of(result) == ["mutable-default-argument"]
    assert (change["source"], change["platform"], change["number"]) == ("pr", "github", opened.number)
    assert (change["head_sha"], change["base_sha"]) == (opened.head, forge.forge.tip("main"))
    assert change["merge_base"] == forge.forge.merge_base(opened)
    assert [file["path"] for file in result["files"]] == ["cart.py"]
    assert not list(empty.iterdir())


@pytest.mark.parametrize("platform", ["gitlab", "gitea", "forgejo"])
def test_the_other_platforms_jobs_do_too(platform: str, tmp_path: Path, empty: Path) -> None:
    with rig(platform, tmp_path / "forge", files=BASE) as forge:
        opened = forge.forge.open_pull(BAD)
        project, token = forge.fake.project(forge.server.url), forge.fake.full_token()
        if platform == "gitlab":
            env = {
                "CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "merge_request_event",
                "CI_SERVER_URL": project.web_url, "CI_API_V4_URL": project.api_url, "CI_PROJECT_PATH": project.repo,
                "CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_PROJECT_ID": "1", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
                "CI_MERGE_REQUEST_PROJECT_PATH": project.repo, "CI_MERGE_REQUEST_IID": str(opened.number),
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": forge.forge.merge_base(opened), "CI_COMMIT_SHA": opened.head,
                "LOOM_GITLAB_TOKEN": token,
            }  # fmt: skip
        else:
            env = actions(
                forge, "pull_request", payload(forge, opened), empty, **{f"{platform.upper()}_ACTIONS": "true"}
            )
        ran, result = review(empty, env)
        assert ran.code == 0, ran.err
        assert result["change"]["platform"] == platform
        assert rules_of(result) == ["mutable-default-argument"]


def test_the_changes_own_configuration_waits_for_the_merge(forge: Rig, empty: Path) -> None:
    forge.forge.commit("main", {".loom/config.yaml": "output: {fail_on: warning}\n"})
    poisoned = {**BAD, ".loom/config.yaml": "output: {fail_on: never}\npipelines: []\n"}
    opened = forge.forge.open_pull(poisoned)
    ran, result = review(empty, actions(forge, "pull_request", payload(forge, opened), empty))
    assert ran.code == 1
    assert "mutable-default-argument" in rules_of(result)
    assert "config-changed" in [warning["slug"] for warning in result["warnings"]]


def test_the_targets_own_rules_count(forge: Rig, empty: Path) -> None:
    rule = (
        "id: no-sum\nlanguages: [python]\nseverity: warning\ncategory: bug\nmessage: No sums.\nwhy: So.\n"
        "fix: Add.\nrule: {pattern: sum($X)}\nbad: ['sum(a)']\ngood: ['add(a)']\n"
    )
    forge.forge.commit("main", {".loom/rules/no-sum.yaml": rule})
    opened = forge.forge.open_pull({"cart.py": "def total(rows):\n    return sum(rows) + 0\n"})
    _, result = review(empty, actions(forge, "pull_request", payload(forge, opened), empty))
    assert rules_of(result) == ["no-sum"]


def test_a_push_reviews_the_pull_request_whose_head_it_is(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    env = actions(forge, "push", {"after": opened.head, "ref": "refs/heads/topic"}, empty)
    _, result = review(empty, env)
    assert result["change"]["number"] == opened.number
    assert rules_of(result) == ["mutable-default-argument"]


@pytest.mark.parametrize(
    ("name", "event", "said"),
    [
        ("push", {"after": "1" * 40}, "no open pull request has 111111111111 as its head"),
        ("merge_group", {"merge_group": {"head_sha": "1" * 40}}, "a merge group"),
        ("workflow_run", {"workflow_run": {"head_sha": "1" * 40, "pull_requests": []}}, "no open pull request"),
    ],
)
def test_a_job_without_a_pull_request_to_review_is_skipped_and_green(
    forge: Rig, empty: Path, name: str, event: dict[str, Any], said: str
) -> None:
    ran, result = review(empty, actions(forge, name, event, empty))
    assert ran.code == 0
    assert said in result["outcome"]["skipped"]
    assert result["outcome"]["ran"] is False


def test_a_stale_job_a_draft_and_a_closed_pull_request_are_skipped(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    env = actions(forge, "pull_request", payload(forge, opened), empty)
    forge.forge.push(opened, {"more.py": "x = 1\n"})
    ran, result = review(empty, env)
    assert (ran.code, result["outcome"]["skipped"][:5]) == (0, "stale")
    draft = forge.forge.open_pull({"b.py": "x = 1\n"}, branch="draft", draft=True)
    ran, result = review(empty, actions(forge, "pull_request", payload(forge, draft), empty))
    assert (ran.code, result["outcome"]["skipped"]) == (0, "it is a draft, and triggers.drafts is off")
    draft.open = False
    ran, result = review(empty, actions(forge, "pull_request", payload(forge, draft), empty))
    assert (ran.code, result["outcome"]["skipped"]) == (0, "the pull request is closed")


def test_a_plan_is_made_for_the_same_pull_request(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    ran = loom("plan", cwd=empty, env=actions(forge, "pull_request", payload(forge, opened), empty))
    assert ran.code == 0, ran.err
    assert "cart.py" in ran.out


# -- forks and secrets ------------------------------------------------------------------------------------------------


def at_head(forge: Rig, opened: Pull, root: Path, *, merged: bool = False) -> Repo:
    """The fork's code in the job's folder: what nobody should do beside secrets."""
    checkout = Repo(forge.forge.repo.root).clone(root)
    checkout.git("fetch", "-q", str(forge.forge.repo.root), f"refs/pull/{opened.number}/head")
    checkout.git("checkout", "-q", "--detach", forge.forge.tip("main") if merged else opened.head)
    if merged:
        checkout.git("merge", "-q", "--no-ff", "-m", "merge", opened.head)
    return checkout


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "issue_comment"])
@pytest.mark.parametrize("merged", [False, True])
def test_a_forks_code_beside_secrets_is_refused(forge: Rig, tmp_path: Path, event: str, *, merged: bool) -> None:
    opened = forge.forge.open_pull(BAD, fork=True)
    forge.forge.commit("main", {"README.md": "# Carts\n"})
    checkout = at_head(forge, opened, tmp_path / "job", merged=merged)
    told = {
        "pull_request_target": payload(forge, opened),
        "workflow_run": {"workflow_run": {"head_sha": opened.head, "pull_requests": [], "repository": {"id": 1}}},
        "issue_comment": {"action": "created", "issue": {"number": opened.number, "pull_request": {"url": "x"}}},
    }[event]
    env = actions(forge, event, told, tmp_path / "job", OPENAI_API_KEY=KEY)
    ran, _ = review(checkout.root, env)
    assert ran.code == 2
    assert "is checked out in a job that has secrets" in ran.err
    assert "OPENAI_API_KEY" in ran.err
    assert KEY not in ran.err
    allowed, _ = review(checkout.root, {**env, "LOOM_ALLOW_UNTRUSTED_CHECKOUT": "1"}, "--skip", "review")
    assert allowed.code == 0, allowed.err


def test_a_forks_pull_request_without_secrets_gets_analyzers_and_leaves_models_to_the_second_stage(
    forge: Rig, tmp_path: Path
) -> None:
    config = "models: {default: {provider: anthropic, model: claude-sonnet-4-5}}\n"
    forge.forge.commit("main", {".loom/config.yaml": config})
    opened = forge.forge.open_pull(BAD, fork=True)
    checkout = at_head(forge, opened, tmp_path / "job")
    env = actions(forge, "pull_request", payload(forge, opened), tmp_path / "job")
    env["GITHUB_TOKEN"] = forge.fake.reading_token()
    ran, result = review(checkout.root, env)
    assert ran.code == 0, ran.err
    assert rules_of(result) == ["mutable-default-argument"]
    assert result["outcome"]["complete"] is True
    assert result["change"]["trusted"] is False
    skipped = [p for p in result["pipelines"] if p["kind"] == "llm"]
    assert [(p["status"], p["reason"][:10]) for p in skipped] == [("skipped", "no secrets")]


def test_programs_run_over_a_colleagues_change_and_not_over_a_forks_beside_secrets(forge: Rig, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    script = tmp_path / "tools" / "check.sh"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\ntouch {marker}\necho "[]"\n')
    own = f"  - {{name: own, run: sh {script}, parse_output: json}}\n"
    config = f"pipelines:\n{own}  - {{name: rules, uses: builtin/rules}}\n"
    forge.forge.commit("main", {".loom/config.yaml": config})
    main = Repo(forge.forge.repo.root).clone(tmp_path / "job")
    stranger = forge.forge.open_pull(BAD, fork=True)
    env = actions(forge, "pull_request_target", payload(forge, stranger), tmp_path / "job", OPENAI_API_KEY=KEY)
    ran, result = review(main.root, env)
    assert ran.code == 0, ran.err
    assert rules_of(result) == ["mutable-default-argument"]
    left = next(p for p in result["pipelines"] if p["name"] == "own")
    assert left["status"] == "skipped"
    assert "fork" in left["reason"]
    assert not marker.exists()
    colleague = forge.forge.open_pull(BAD, branch="side")
    env = actions(forge, "pull_request", payload(forge, colleague), tmp_path / "job", OPENAI_API_KEY=KEY)
    review(main.root, env)
    assert marker.exists()


# -- from a person's machine ------------------------------------------------------------------------------------------


def url_of(forge: Rig, opened: Pull) -> str:
    """On an Enterprise Server, whose API stands below its web pages."""
    forge.fake.enterprise = "3.17"
    project = forge.fake.project(forge.server.url)
    return f"{project.web_url}/{project.repo}/pull/{opened.number}"


def test_a_url_is_enough_once_the_platform_is_named(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    env = {"LOOM_TOKEN": forge.fake.full_token(), "LOOM_PLATFORM_URL": forge.server.url}
    ran, result = review(empty, env, "--pr", url_of(forge, opened))
    assert ran.code == 0, ran.err
    assert rules_of(result) == ["mutable-default-argument"]


def test_a_number_takes_repository_and_platform_from_flags(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    where = ("--platform", "github", "--platform-url", forge.server.url, "--repo", forge.forge.name)
    forge.fake.enterprise = "3.17"
    env = {"GITHUB_TOKEN": forge.fake.full_token()}
    _, result = review(empty, env, "--pr", str(opened.number), *where)
    assert result["change"]["number"] == opened.number


def test_no_token_goes_to_a_host_that_nobody_named(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    env = {"LOOM_TOKEN": forge.fake.full_token(), "GITHUB_TOKEN": forge.fake.full_token()}
    _, result = review(empty, env, "--pr", url_of(forge, opened))
    withheld = next(warning for warning in result["warnings"] if warning["slug"] == "token-withheld")
    assert "LOOM_TOKEN was not sent" in withheld["message"]
    assert "LOOM_PLATFORM_URL=" in withheld["hint"]
    assert forge.server.journal
    assert all(entry.request.token is None for entry in forge.server.journal)


def test_nothing_that_its_repository_configures_runs_on_a_persons_machine(forge: Rig, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    config = f"pipelines:\n  - {{name: own, run: touch {marker}}}\n  - {{name: rules, uses: builtin/rules}}\n"
    forge.forge.commit("main", {".loom/config.yaml": config})
    opened = forge.forge.open_pull(BAD)
    clone = Repo(forge.forge.repo.root).clone(tmp_path / "clone")
    env = {"LOOM_TOKEN": forge.fake.full_token(), "LOOM_PLATFORM_URL": forge.server.url}
    ran, result = review(clone.root, env, "--pr", url_of(forge, opened))
    assert ran.code == 0, ran.err
    assert rules_of(result) == ["mutable-default-argument"]
    assert not marker.exists()


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_an_event_without_a_pull_request_says_what_to_do(forge: Rig, empty: Path) -> None:
    ran, _ = review(empty, actions(forge, "schedule", {}, empty))
    assert ran.code == 2
    assert 'the event "schedule" names no pull request' in ran.err
    assert "--pr NUMBER" in ran.err


def test_a_payload_that_is_not_there_is_named(forge: Rig, empty: Path) -> None:
    env = actions(forge, "issue_comment", {}, empty, GITHUB_EVENT_PATH="/nowhere/event.json")
    ran, _ = review(empty, env)
    assert ran.code == 2
    assert "GITHUB_EVENT_PATH names a file that cannot be read" in ran.err


def test_a_wrong_token_is_named_and_not_shown(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    secret = "ghp_wrongwrongwrongwrong0123456789abcdef"
    ran, _ = review(empty, {**actions(forge, "pull_request", payload(forge, opened), empty), "GITHUB_TOKEN": secret})
    assert ran.code == 2
    assert "the token in GITHUB_TOKEN is wrong" in ran.err
    assert secret not in ran.err


def test_an_unknown_pull_request_is_exit_2_and_the_result_file_says_why(forge: Rig, empty: Path) -> None:
    env = {"LOOM_TOKEN": forge.fake.full_token(), "LOOM_PLATFORM_URL": forge.server.url}
    ran = loom(
        "review",
        "--no-post",
        "--pr",
        f"{forge.server.url}/octo/demo/pull/99",
        "--output",
        "json:r.json",
        cwd=empty,
        env=env,
    )
    assert ran.code == 2
    assert "HTTP 404" in ran.err
    assert json.loads((empty / "r.json").read_text())["errors"][0]["slug"] == "platform-missing"


def test_an_outage_is_incomplete_and_no_mistake_of_the_teams(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    env = actions(forge, "pull_request", payload(forge, opened), empty)
    forge.server.faults.add(Fault(path=r"/pulls/1$", status=501, times=0))
    ran, _ = review(empty, env)
    assert ran.code == 3
    assert "run again later" in ran.err


def test_a_sign_in_page_is_told_for_what_it_is(forge: Rig, empty: Path) -> None:
    opened = forge.forge.open_pull(BAD)
    env = actions(forge, "pull_request", payload(forge, opened), empty)
    forge.server.faults.add(Fault(path=r"/pulls/1$", status=200, body="<html>Sign in</html>", times=0))
    ran, _ = review(empty, env)
    assert ran.code == 2
    assert "web page" in ran.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--pr", "x7"), "neither a number nor a URL"),
        (("--pr", ""), "--pr is empty"),
        (("--pr", "7", "--local"), "cannot be used together"),
        (("--pr", "7"), "which repository is not known"),
        (("--pr", "https://github.com/octo/demo"), "not the URL of a pull request"),
        (("--pr", "7", "--platform", "gitlap", "--repo", "a/b"), 'Did you mean "gitlab"'),
        (("--pr", "7", "--platform", "github", "--repo", "a/b/c"), "is not a repository on GitHub"),
        (("--pr", "7", "--platform", "github", "--platform-url", "corp", "--repo", "a/b"), "--platform-url"),
        (("--offline", "--pr", "https://github.com/octo/demo/pull/1"), "--offline"),
    ],
)
def test_a_wrong_command_line_is_one_message(empty: Path, flags: tuple[str, ...], said: str) -> None:
    ran = loom("review", *flags, cwd=empty)
    assert ran.code == 2
    assert said in ran.err
