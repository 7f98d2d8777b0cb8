"""What a stranger's checkout, or the change itself, may make `loom` do: run programs, send code, pass the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.fake_model import FakeModel
from support.repos import Repo

CI = {"CI": "true"}
SCRIPT = "  - {name: lint, run: 'touch ran', parse_output: text}\n"
PASSWORD = "Tr0ub4dor9xyzQ"
BUG = "def total(items, seen=[]):\n    seen.append(items)\n    return seen\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """`main` with one commit, and a branch on it."""
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"a.py": "x = 1\n"})
    made.branch("feature")
    return made


def configured(repo: Repo, pipelines: str = SCRIPT, /, **files: str) -> Repo:
    """The same with a configuration on `main` already, and a change in the working tree."""
    repo.git("switch", "-q", "main")
    repo.commit("configure", {".loom/config.yaml": f"pipelines:\n{pipelines}", **files})
    repo.git("switch", "-q", "-C", "feature")
    return repo.write({"a.py": "x = 2\n"})


def review(repo: Repo, *flags: str, env: dict[str, str] | None = None) -> tuple[Ran, dict[str, Any]]:
    """One review, and its result."""
    ran = loom("review", "--format", "json", *flags, cwd=repo.root, env=env)
    assert "Traceback" not in ran.err
    return ran, json.loads(ran.out)


def pipelines(result: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {p["name"]: (p["status"], p["reason"]) for p in result["pipelines"]}


def notices(result: dict[str, Any]) -> list[str]:
    return [w["message"] for w in result["warnings"] if w["slug"] == "untrusted-checkout"]


def did_run(repo: Repo) -> bool:
    """Whether the script ran; what it left is taken away."""
    place = repo.root / "ran"
    found = place.exists()
    place.unlink(missing_ok=True)
    return found


def accept(repo: Repo, *flags: str) -> None:
    assert loom("trust", *flags, cwd=repo.root).code == 0


# -- programs ---------------------------------------------------------------------------------------------------------


def test_a_disabled_script_of_a_stranger_does_not_run_when_it_is_asked_for(repo: Repo) -> None:
    configured(repo, SCRIPT.replace("parse", "enabled: false, parse"))
    ran, result = review(repo, "--pipeline", "lint")
    assert not did_run(repo)
    assert pipelines(result) == {"lint": ("skipped", "it runs programs, and this checkout was not accepted")}
    assert ran.code == 0
    accept(repo)
    review(repo, "--pipeline", "lint")
    assert did_run(repo)


def test_a_disabled_model_pipeline_without_a_model_is_skipped_not_failed(repo: Repo) -> None:
    configured(repo, "  - {name: security, enabled: false}\n")
    ran, result = review(repo, "--pipeline", "security")
    assert pipelines(result) == {"security": ("skipped", "no model was chosen")}
    assert ran.code == 0


@pytest.mark.parametrize("command", ["./tools/lint.sh", 'sh -c "tools/lint.sh"', "sh tools/lint.sh {files}"])
def test_what_was_accepted_includes_the_program_that_the_command_names(repo: Repo, command: str) -> None:
    configured(repo, f"  - {{name: lint, run: {json.dumps(command)}, parse_output: text}}\n")
    tool = repo.root / "tools/lint.sh"
    repo.write({"tools/lint.sh": "#!/bin/sh\ntouch ran\n"})
    tool.chmod(0o755)
    accept(repo)
    review(repo)
    assert did_run(repo)
    repo.write({"tools/lint.sh": "#!/bin/sh\ntouch ran; echo\n"})
    _, result = review(repo)
    assert not did_run(repo)
    # It had been accepted, and the change is why it cannot run now: that is not a clean review.
    assert pipelines(result)["lint"] == ("failed", "the change touches tools/lint.sh, which the command names")
    assert result["outcome"]["exit_code"] == 3
    accept(repo)
    review(repo)
    assert did_run(repo)


def test_a_link_that_the_command_names_is_followed_to_what_it_leads_to(repo: Repo) -> None:
    configured(repo, "  - {name: lint, run: sh tools/lint.sh, parse_output: text}\n")
    repo.write({"tools/real.sh": "touch ran\n"})
    (repo.root / "tools/lint.sh").symlink_to("real.sh")
    accept(repo)
    repo.write({"tools/real.sh": "touch ran; echo\n"})
    review(repo)
    assert not did_run(repo)


@pytest.mark.parametrize("path", ["conftest.py", "sub/conftest.py", "sub/deep/.eslintrc.js", "Sub/MAKEFILE"])
def test_accepting_ends_when_linter_configuration_appears_at_any_depth(repo: Repo, path: str) -> None:
    configured(repo)
    accept(repo)
    review(repo)
    assert did_run(repo)
    repo.write({path: "x\n"})
    ran, result = review(repo)
    assert not did_run(repo)
    assert pipelines(result)["lint"] == ("failed", f"the change touches {path}, which can run code in linters")
    assert ran.code == 3


def test_linter_configuration_that_is_a_link_or_large_is_watched_too(repo: Repo) -> None:
    configured(repo)
    accept(repo)
    (repo.root / "conftest.py").symlink_to("a.py")
    review(repo)
    assert not did_run(repo)
    accept(repo)
    repo.write({"a.py": "x = 3\n"})  # what the link leads to
    review(repo)
    assert not did_run(repo)
    (repo.root / "conftest.py").unlink()
    repo.write({"conftest.py": b"#" * 6_000_000})
    review(repo)
    assert not did_run(repo)


def test_what_git_ignores_did_not_come_with_a_branch_and_is_not_watched(repo: Repo) -> None:
    configured(repo, SCRIPT, **{".gitignore": "node_modules/\n"})
    accept(repo)
    repo.write({"node_modules/x/package.json": "{}"})
    review(repo)
    assert did_run(repo)


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_configuration_elsewhere_in_the_repository_needs_accepting_as_well(repo: Repo, how: str) -> None:
    repo.write({"ci/loom.yaml": f"pipelines:\n{SCRIPT}", "a.py": "x = 2\n"})
    flags, env = (["--config", "ci/loom.yaml"], {}) if how == "flag" else ([], {"LOOM_CONFIG": "ci/loom.yaml"})
    _, result = review(repo, *flags, env=env)
    assert not did_run(repo)
    assert len(notices(result)) == 1
    if how == "flag":
        assert "loom trust --config ci/loom.yaml" in result["warnings"][0]["hint"]
    assert loom("trust", *flags, cwd=repo.root, env=env).code == 0
    review(repo, *flags, env=env)
    assert did_run(repo)
    repo.write({"ci/loom.yaml": f"# other\npipelines:\n{SCRIPT}"})
    review(repo, *flags, env=env)
    assert not did_run(repo)


def test_the_users_own_script_runs_where_nothing_of_the_checkout_can_run_in_it(repo: Repo, tmp_path: Path) -> None:
    repo.write({"a.py": "x = 2\n"})
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    Repo(tmp_path / "config").write({"loom/config.yaml": f"pipelines:\n{SCRIPT}"})
    review(repo, env=env)
    assert did_run(repo)
    repo.write({"web/eslint.config.js": "x\n"})
    ran, result = review(repo, env=env)
    assert not did_run(repo)
    assert notices(result) == ["this checkout was not accepted, so these pipelines do not run: lint"]
    assert ran.code == 0
    assert loom("trust", cwd=repo.root, env=env).code == 0
    review(repo, env=env)
    assert did_run(repo)


def test_a_repository_without_configuration_or_scripts_is_not_asked_about(repo: Repo) -> None:
    repo.write({"pyproject.toml": "", "a.py": BUG})
    _, result = review(repo)
    assert notices(result) == []
    assert [f["rule"] for f in result["findings"]] == ["mutable-default-argument"]


# -- in a CI job ------------------------------------------------------------------------------------------------------

FLAGS = {"commit": ["--commit", "HEAD"], "staged": ["--staged"], "local": ["--local"]}


@pytest.mark.parametrize("source", FLAGS)
def test_in_ci_only_a_named_base_makes_a_configuration_count(repo: Repo, source: str) -> None:
    with FakeModel(reply="{}") as server:
        model = f"models: {{default: {{base_url: '{server.url('openai')}', model: m}}}}\n"
        evil = f"{model}pipelines:\n{SCRIPT}  - {{name: review}}\n"
        repo.commit("evil", {".loom/config.yaml": evil})
        repo.write({"a.py": BUG})
        repo.git("add", "-A")
        if source == "commit":
            repo.commit("second")
        ran, result = review(repo, *FLAGS[source], env=CI)
        assert (did_run(repo), server.requests) == (False, [])
    assert notices(result) == ["this checkout was not accepted, so these pipelines do not run: lint, review"]
    assert "--base" in result["warnings"][0]["hint"]
    assert {status for status, _ in pipelines(result).values()} == {"skipped"}
    assert ran.code == 0


def test_in_ci_the_jobs_own_model_runs_all_the_same(repo: Repo) -> None:
    repo.commit("evil", {".loom/config.yaml": "pipelines: [{name: review}]\n"})
    repo.commit("change", {"a.py": "x = 2\n"})
    with FakeModel(reply=json.dumps({"summary": "", "coverage": ["a.py#1"], "findings": []})) as server:
        env = CI | {"LOOM_MODEL": "m", "LOOM_BASE_URL": server.url("openai")}
        ran, result = review(repo, "--commit", "HEAD", env=env)
        assert len(server.requests) == 1
    assert (ran.code, pipelines(result)["review"][0]) == (0, "ok")


def test_in_ci_with_a_base_the_target_branchs_scripts_run(repo: Repo) -> None:
    configured(repo)
    repo.commit("change")
    ran, _ = review(repo, "--base", "main", env=CI)
    assert did_run(repo)
    assert ran.code == 0


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("conftest.py", "the change touches conftest.py, which can run code in linters"),
        ("web/package.json", "the change touches web/package.json, which can run code in linters"),
        ("tools/rules.cfg", "the change touches tools/rules.cfg, which the command names"),
    ],
)
def test_in_ci_a_change_to_what_linters_run_fails_the_script(repo: Repo, path: str, why: str) -> None:
    command = "  - {name: lint, run: 'touch ran --reference=tools/rules.cfg', parse_output: text}\n"
    configured(repo, command, **{"tools/rules.cfg": "a\n", "web/package.json": "{}\n"})
    repo.commit("change", {path: "other\n"})
    ran, result = review(repo, "--base", "main", env=CI)
    assert not did_run(repo)
    assert pipelines(result) == {"lint": ("failed", why)}
    assert (ran.code, result["outcome"]["complete"]) == (3, False)


def test_in_ci_taking_linter_configuration_away_counts_as_touching_it(repo: Repo) -> None:
    configured(repo, SCRIPT, **{"tests/conftest.py": "x = 1\n" * 9})
    repo.git("mv", "tests/conftest.py", "plain.py")
    repo.commit("move")
    ran, result = review(repo, "--base", "main", env=CI)
    assert "tests/conftest.py" in str(pipelines(result)["lint"][1])
    assert (did_run(repo), ran.code) == (False, 3)


# -- the gate, and what models are shown ------------------------------------------------------------------------------


def test_a_stranger_cannot_send_what_redaction_would_mask(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "privacy: {redact: false}\npipelines: [{name: review}]\n"})
    repo.write({".env": f"DB_PASSWORD={PASSWORD}\n"})
    with FakeModel(reply="{}") as server:
        env = {"LOOM_MODEL": "m", "LOOM_BASE_URL": server.url("openai")}
        _, result = review(repo, "--no-cache", env=env)
        first = str([request.body for request in server.requests])
        assert "DB_PASSWORD" in first
        assert PASSWORD not in first
        assert ".loom/config.yaml:1: privacy.redact has no effect, since this checkout was not accepted" in notices(
            result
        )
        accept(repo)
        review(repo, "--no-cache", env=env)
        assert PASSWORD in str([request.body for request in server.requests])


def test_a_stranger_cannot_lower_the_bar_and_the_flag_can(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "output: {fail_on: never}\n", "a.py": f'password = "{PASSWORD}"\n'})
    ran, result = review(repo)
    assert ran.code == 1
    assert ".loom/config.yaml:1: output.fail_on has no effect, since this checkout was not accepted" in notices(result)
    assert review(repo, "--fail-on", "never")[0].code == 0
    accept(repo)
    assert review(repo)[0].code == 0


def test_a_stranger_may_raise_the_bar(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "output: {fail_on: warning}\n", "a.py": BUG})
    ran, _ = review(repo)
    assert ran.code == 1


def test_rules_that_are_not_loaded_are_missed_aloud(repo: Repo) -> None:
    repo.write({".loom/rules/own.yaml": "rules: []\n", "a.py": "x = 2\n"})
    _, result = review(repo)
    assert notices(result) == ["this checkout was not accepted, so its own rules are not loaded"]


def test_an_unaccepted_configuration_is_always_said_to_be_one(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "output: {language: de}\n", "a.py": "x = 2\n"})
    _, result = review(repo)
    assert notices(result) == [
        "this checkout was not accepted, so it may run no programs, choose no models and lower no bar"
    ]


# -- other ------------------------------------------------------------------------------------------------------------


def test_a_key_that_begins_with_a_slash_is_masked_and_a_path_is_not(repo: Repo) -> None:
    key = "/Qx7Lm9Zr2Tk5Wv8Yb1Nc4"
    repo.write({"a.py": f"call('{key}', '{repo.root}')\nbreakpoint()\n"})
    ran, _ = review(repo, env={"ACME_TOKEN": key, "ACME_KEY": str(repo.root)})
    assert "Qx7Lm9Zr2Tk5Wv8Yb1Nc4" not in ran.out
    assert str(repo.root) in ran.out


def test_pruning_keeps_to_the_configured_limits(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "cache: {ttl_days: 30, max_mb: 9}\n"})
    ran = loom("cache", "prune", cwd=repo.root)
    assert ran.out == "0 answers removed that were older than 30 days or beyond 9 MB\n"
