"""`loom config` and `loom trust` in a real repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from loom.cli import config_cmd, trust_cmd
from loom.core.errors import ConfigError, LoomError, UsageError


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repo"
    (root / ".loom").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", root], check=True)
    monkeypatch.chdir(root)
    return root


def configure(repo: Path, text: str) -> None:
    (repo / ".loom" / "config.yaml").write_text(text, "utf-8")


def loom(*args: str) -> str:
    """What a command prints; its error is raised."""
    result = run(*args)
    if isinstance(result.exception, LoomError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def run(*args: str) -> Result:
    app = typer.Typer()
    config_cmd.register(app)
    trust_cmd.register(app)
    return CliRunner().invoke(app, list(args))


def test_check_says_that_all_is_well(repo: Path) -> None:
    configure(repo, "models: {default: {model: gpt-5.6}}\npipelines: [{name: review, passes: 2}]")
    assert loom("config", "check") == (
        "the configuration is valid (1 pipeline, 1 model)\n"
        "\nvalid, but not yet in effect:\n  pipelines[review].passes\n"
    )


def test_check_raises_every_problem(repo: Path) -> None:
    configure(repo, "triggers: {drafts: yes}\noutput: {fail_on: x}")
    with pytest.raises(ConfigError) as caught:
        loom("config", "check")
    assert [(p.file, p.line) for p in caught.value.problems] == [(".loom/config.yaml", 1), (".loom/config.yaml", 2)]
    assert caught.value.exit_code == 2


def test_check_refuses_a_strangers_host_until_the_checkout_is_accepted(repo: Path) -> None:
    configure(repo, "models: {default: {model: x, base_url: 'https://models.example.com/v1'}}")
    with pytest.raises(ConfigError, match=r"\.loom/config\.yaml:1:40: models\.default\.base_url"):
        loom("config", "check")
    loom("trust")
    assert loom("config", "check").startswith("the configuration is valid")


def test_check_takes_the_list_of_hosts_from_the_environment(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(repo, "models: {default: {model: x, base_url: 'https://models.example.com/v1'}}")
    monkeypatch.setenv("LOOM_ALLOW_HOSTS", "models.example.com")
    assert loom("config", "check").startswith("the configuration is valid")


def test_show_names_where_each_value_comes_from(repo: Path) -> None:
    configure(repo, "output:\n  fail_on: warning\n")
    shown = loom("config", "show")
    assert "  fail_on: warning  # .loom/config.yaml:2\n" in shown
    assert "  fail_on_model: never  # default\n" in shown


def test_show_prints_no_secret_and_no_terminal_command(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2M3n4")
    text = 'pipelines: [{name: a, prompt: "say sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2M3n4 and \\u202e\\e[2J"}]'
    configure(repo, text)
    shown = loom("config", "show")
    assert "A1b2C3d4E5f6" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_schema_is_json(repo: Path) -> None:
    assert json.loads(loom("config", "schema"))["properties"]["pipelines"]


def test_another_file_can_be_checked(repo: Path) -> None:
    (repo / "other.yaml").write_text("triggers: {drafts: 1}")
    with pytest.raises(ConfigError, match=r"other\.yaml:1:20"):
        loom("config", "check", "--config", "other.yaml")


def test_trust_holds_until_a_file_changes_or_it_is_revoked(repo: Path) -> None:
    configure(repo, "pipelines: [{name: lint, run: make lint}]")
    assert "not accepted" in loom("trust", "--show")
    assert "  lint: make lint\n" in loom("trust")
    assert "accepted on 20" in loom("trust", "--show")
    configure(repo, "pipelines: [{name: lint, run: make all}]")
    assert "not accepted" in loom("trust", "--show")
    configure(repo, "pipelines: [{name: lint, run: make lint}]")
    assert "accepted on 20" in loom("trust", "--show")
    assert loom("trust", "--revoke") == "revoked: nothing is accepted here any more\n"
    assert "not accepted" in loom("trust", "--show")


def test_what_is_wrong_cannot_be_accepted(repo: Path) -> None:
    configure(repo, "pipelines: 4")
    with pytest.raises(ConfigError):
        loom("trust")


def test_trust_needs_something_to_accept_and_one_thing_to_do(repo: Path) -> None:
    with pytest.raises(UsageError, match="nothing to accept"):
        loom("trust")
    with pytest.raises(UsageError, match="exclude each other"):
        loom("trust", "--show", "--revoke")
