"""What a review says about files and pipelines that it left out or missed, with the real program."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import loom
from support.repos import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"a.py": "x = 1\n", "ruff.toml": "line-length = 100\n"})
    return made


def review(repo: Repo, *flags: str, env: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
    """(the result, the plain text of it)"""
    path = repo.root.parent / "result.json"
    ran = loom("review", "--format", "text", "--output", f"json:{path}", *flags, cwd=repo.root, env=env)
    assert "Traceback" not in ran.err, ran.err
    return json.loads(path.read_text()), ran.out


def reasons(result: dict[str, Any]) -> dict[str, tuple[bool, str | None]]:
    return {f["path"]: (f["reviewed"], f["reason"]) for f in result["files"]}


def test_a_thousand_files_that_paths_leaves_out_are_one_line_that_names_it(repo: Repo) -> None:
    repo.write({"a.py": "x = 2\n", **{f"gen/{n}.txt": "text\n" for n in range(1_000)}, "vendor/v.py": "y = 1\n"})
    repo.write({".loom/config.yaml": "triggers: {ignore_paths: ['vendor/**']}\n"})
    assert loom("trust", cwd=repo.root).code == 0
    result, text = review(repo, "--offline", "--paths", "*.py")
    assert reasons(result)["gen/7.txt"] == (False, "left out by --paths")
    assert reasons(result)["vendor/v.py"] == (False, "left out by triggers.ignore_paths: vendor/**")
    said = [line for line in text.splitlines() if line.startswith("left out:")]
    assert said[0] == "left out: 1,001 files: by --paths"  # and .loom/config.yaml
    assert "left out: vendor/v.py: by triggers.ignore_paths: vendor/**" in said
    assert len(said) == 2
    assert len(text.splitlines()) < 20


def test_that_models_are_not_asked_is_said_only_where_one_is(repo: Repo) -> None:
    repo.write({"a.py": "x = 2\n", "package-lock.json": "{}\n"})
    result, text = review(repo, "--offline")
    assert reasons(result)["package-lock.json"] == (True, None)
    assert "models" not in text


def test_one_linter_that_fails_is_all_that_the_verdict_names(repo: Repo, tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "ruff").write_text("#!/bin/sh\necho broken >&2\nexit 70\n")
    (bin_ / "ruff").chmod(0o755)
    git = shutil.which("git")
    assert git is not None
    path = os.pathsep.join((str(bin_), str(Path(git).parent), "/bin"))
    repo.commit("more", {"eslint.config.js": "export default [];\n", "package.json": "{}\n"})
    repo.write({"a.py": "x = 2\n", "app.js": "x()\n", "b.txt": "text\n"})
    result, text = review(repo, env={"PATH": path})
    assert (result["outcome"]["complete"], result["outcome"]["ran"]) == (False, True)
    assert reasons(result)["a.py"] == (True, "not seen by linter/ruff")
    assert reasons(result)["app.js"] == (True, None)
    lines = text.splitlines()
    assert lines[0].startswith("Reviewed in part: linter/ruff failed. ")
    assert any(line.startswith("not reviewed by linter/ruff (failed): ") for line in lines)
    assert any(line.startswith("left out by linter/eslint (skipped): ") for line in lines)
    assert not any("not seen by" in line for line in lines)  # the linter's own line names the file
