"""`loom plan`: what a review would do, from the same code that does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.cli import loom
from support.fake_model import FakeModel
from support.repos import Repo

CONFIG = """\
models:
  default: {provider: scripted, model: replies.json}
pipelines:
  - name: review
    exclude_paths: ["docs/**"]
  - name: security
    when: {paths: ["*.go"]}
  - {name: secrets, uses: builtin/secrets}
  - {name: rules, uses: builtin/rules, enabled: false}
  - {name: lint, run: "touch ran {files}", parse_output: text, include_paths: ["*.py"]}
triggers:
  ignore_paths: ["vendor/**", "*.svg"]
"""
FILES = {
    "app.py": "x = 2\n",
    "docs/page.md": "words\n",
    "vendor/lib.js": "x()\n",
    "package-lock.json": "{}\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A configuration on `main`, accepted, and a change in the working tree."""
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"app.py": "x = 1\n", ".loom/config.yaml": CONFIG, ".loom/replies.json": "[]"})
    assert loom("trust", cwd=made.root).code == 0
    return made.write(FILES)


def plan(repo: Repo, *flags: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    ran = loom("plan", "--format", "json", *flags, cwd=repo.root, env=env)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_files_and_pipelines_with_what_decided_about_them(repo: Repo) -> None:
    found = plan(repo)
    about = {f["path"]: (f["pipelines"], f["reason"], f["decided_by"]) for f in found["files"]}
    assert about == {
        "app.py": (["secrets", "lint", "review"], None, None),
        "docs/page.md": (["secrets"], None, None),
        "package-lock.json": (["secrets"], "lock file: models are not asked about it", None),
        "vendor/lib.js": ([], "left out", "triggers.ignore_paths: vendor/** (.loom/config.yaml:12)"),
    }
    pipelines = {p["name"]: p for p in found["pipelines"]}
    assert {name: p["runs"] for name, p in pipelines.items()} == {
        "secrets": True, "lint": True, "review": True, "security": False, "rules": False,
    }  # fmt: skip
    assert pipelines["security"]["decided_by"] == "pipelines[security].when.paths (.loom/config.yaml:7)"
    assert pipelines["rules"]["decided_by"] == "pipelines[rules].enabled (.loom/config.yaml:9)"
    assert pipelines["review"]["passed_over"] == [
        {"path": "docs/page.md", "decided_by": "pipelines[review].exclude_paths: docs/** (.loom/config.yaml:5)"}
    ]
    assert [request["hunks"] for request in pipelines["review"]["requests"]] == [["app.py#1"]]
    assert not (repo.root / "ran").exists()


def test_as_text_for_people(repo: Repo) -> None:
    ran = loom("plan", "--skip", "review", cwd=repo.root)
    assert ran.code == 0
    assert ran.out == (
        "4 files changed, 1 left out\n"
        "  app.py  +1 -1\n"
        "  docs/page.md  +1 -0\n"
        "  package-lock.json  +1 -0\n"
        "  vendor/lib.js  +1 -0  left out, by triggers.ignore_paths: vendor/** (.loom/config.yaml:12)\n"
        "\n"
        "secrets (builtin) gets 3 files\n  app.py\n  docs/page.md\n  package-lock.json\n"
        "\n"
        "lint (script) gets 1 file\n  runs touch ran {files}\n  app.py\n"
        "  not docs/page.md, by pipelines[lint].include_paths (.loom/config.yaml:10)\n"
        "  not package-lock.json, by pipelines[lint].include_paths (.loom/config.yaml:10)\n"
        "\n"
        "security (llm) does not run: when.paths: no changed file matches, "
        "by pipelines[security].when.paths (.loom/config.yaml:7)\n"
        "\n"
        "review (llm) does not run: left out, by --skip: review\n"
        "\n"
        "rules (builtin) does not run: disabled, by pipelines[rules].enabled (.loom/config.yaml:9)\n"
        "\n"
        "2 pipelines.\n"
    )


def test_a_model_is_counted_and_not_asked(repo: Repo) -> None:
    with FakeModel() as server:
        env = {"LOOM_MODEL": "gpt-x", "LOOM_BASE_URL": server.url()}
        (review,) = [p for p in plan(repo, "--pipeline", "review", env=env)["pipelines"] if p["name"] == "review"]
        assert review["model"] == "gpt-x"
        assert review["input_tokens"] > 300
        assert review["requests"][0]["cached"] is False
        assert server.requests == []


def test_what_cannot_run_is_said_with_exit_3(repo: Repo) -> None:
    env = {"LOOM_MODEL": "anthropic/claude-sonnet-5-5"}
    ran = loom("plan", "--pipeline", "review", cwd=repo.root, env=env)
    assert ran.code == 3
    assert "review (llm, claude-sonnet-5-5) would fail: model claude-sonnet-5-5 has no key" in ran.out
    assert "ANTHROPIC_API_KEY" in ran.out
    assert ran.out.splitlines()[-1].startswith("Incomplete: review would fail.")


def test_a_secret_in_a_file_name_is_not_printed(repo: Repo) -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    repo.write({f"keys/{secret}.txt": "x\n"})
    for form in ("text", "json"):
        ran = loom("plan", "--format", form, cwd=repo.root)
        assert secret not in ran.out
        assert "[REDACTED:github-token:1]" in ran.out
