"""Which modules are loaded when: what a command does not need must not cost it time. Modules, not seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fake_model import FakeModel
from support.repos import Repo

HEAVY = {
    "ast_grep_py", "asyncio", "httpx2", "pathspec", "pydantic", "re2", "rich", "sqlite3", "tenacity", "yaml",
}  # fmt: skip

PROBE = """
import json, sys
before = set(sys.modules)
{code}
print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
"""

REVIEW = """
from loom.__main__ import main
sys.argv = ["loom", "review", "--format", "json"]
try:
    main()
except SystemExit as ended:
    assert ended.code == 0, ended.code
import gc
assert gc.isenabled(), "the garbage collector was left off"
"""


def loaded(code: str, *, cwd: Path, **env: str) -> set[str]:
    """The modules that `code` loads in a fresh interpreter."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "GIT_CONFIG_NOSYSTEM") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)],
        cwd=cwd, env={**kept, "LANG": "C.UTF-8", **env}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.init(tmp_path / "repo")
    repo.commit("base", {"cart.py": "def total(items):\n    return sum(items)\n"})
    return repo.write({"cart.py": "def total(items):\n    return sum(items) * 2\n"})


def test_importing_loom_loads_nothing_else(tmp_path: Path) -> None:
    assert loaded("import loom", cwd=tmp_path) == {"loom"}


def test_the_version_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    said = loaded("from loom.__main__ import main; sys.argv = ['loom', '--version']; main()", cwd=tmp_path)
    assert said == {"__future__", "loom", "loom.__main__"}


def test_the_command_table_loads_no_library_that_a_command_may_not_need(tmp_path: Path) -> None:
    modules = loaded("import loom.cli.app", cwd=tmp_path)
    assert not modules & HEAVY
    assert {name for name in modules if name.startswith("loom.") and not name.startswith("loom.cli")} == set()


def test_help_loads_no_library_but_typer(tmp_path: Path) -> None:
    modules = loaded("from loom.cli.app import run; run(['--help'])", cwd=tmp_path)
    assert not modules & HEAVY


def test_a_review_without_a_model_loads_no_http_client_and_no_rich(repo: Repo) -> None:
    modules = loaded(REVIEW, cwd=repo.root)
    assert not modules & {"httpx2", "tenacity", "rich", "pathspec"}


def test_a_cached_review_calls_nobody_and_loads_no_http_client(repo: Repo) -> None:
    with FakeModel('{"findings": []}') as server:
        model = {"LOOM_MODEL": "fake-model-1", "LOOM_BASE_URL": server.url()}
        first = loaded(REVIEW, cwd=repo.root, **model)
        assert "httpx2" in first
        assert (len(server.requests), len(server.lookups)) == (1, 1)
        second = loaded(REVIEW, cwd=repo.root, **model)
        assert not second & {"httpx2", "tenacity"}
        assert (len(server.requests), len(server.lookups)) == (1, 1)
