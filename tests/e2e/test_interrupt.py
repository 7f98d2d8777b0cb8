"""Ctrl-C and SIGTERM, wherever a review is: 130, no traceback, what was finished, and nothing left running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import loom
from support.repos import Repo

SIGNALS = [signal.SIGINT, signal.SIGTERM]
HANDED = "def total(items, seen=[]):\n    return sum(items)\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """One commit, and a change in the working tree that shares a list between calls."""
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"cart.py": "def total(items):\n    return sum(items)\n"})
    made.write({"cart.py": HANDED})
    return made


def interrupted(
    sign: signal.Signals, when: Callable[[], object], *args: str, cwd: Path, **env: str
) -> tuple[int, str, str]:
    """Send `sign` to `loom review ARGS` as soon as `when` returns: (exit code, stdout, stderr)."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "GIT_CONFIG_NOSYSTEM") if name in os.environ}
    with subprocess.Popen(
        [sys.executable, "-m", "loom", "review", *args],
        cwd=cwd,
        env={**kept, "LANG": "C.UTF-8", **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        when()
        child.send_signal(sign)
        out, err = child.communicate(timeout=30)
    return child.returncode, out.decode(), err.decode()


def configured(repo: Repo, config: str, **files: str) -> Repo:
    repo.git("stash", "-q")
    repo.commit("configure", {".loom/config.yaml": config, **files})
    repo.git("stash", "pop", "-q")
    assert loom("trust", cwd=repo.root).code == 0
    return repo


@pytest.mark.parametrize("sign", SIGNALS)
def test_while_a_model_server_is_asked_for_its_window(sign: signal.Signals, repo: Repo, tmp_path: Path) -> None:
    out_file = tmp_path / "out.json"
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as accepted:
        code, out, err = interrupted(
            sign, lambda: accepted.enter_context(silent.accept()[0]), "--output", f"json:{out_file}", cwd=repo.root,
            LOOM_MODEL="m", LOOM_BASE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}/v1",
        )  # fmt: skip
    assert (code, out) == (130, "")
    assert "interrupted before anything was reviewed" in err
    assert "internal error" not in err
    result = json.loads(out_file.read_text())
    assert (result["outcome"]["ran"], result["outcome"]["exit_code"]) == (False, 130)
    assert [error["slug"] for error in result["errors"]] == ["interrupted"]


@pytest.mark.parametrize("sign", SIGNALS)
def test_while_a_diff_is_read(sign: signal.Signals, repo: Repo, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with contextlib.ExitStack() as held:  # opening it waits for the reader
        code, out, err = interrupted(
            sign, lambda: held.enter_context(pipe.open("wb")), "--diff", str(pipe), cwd=repo.root
        )
    assert (code, out) == (130, "")
    assert "interrupted before anything was reviewed" in err


@pytest.mark.parametrize("sign", SIGNALS)
def test_while_a_script_runs_and_none_of_its_further_calls_begins(
    sign: signal.Signals, repo: Repo, tmp_path: Path
) -> None:
    begun, calls = tmp_path / "begun", tmp_path / "calls"
    os.mkfifo(begun)
    command = f"echo $$ >> {calls}; echo > {begun}; sleep 60; true {{files}}"
    config = (
        "pipelines:\n  - {name: secrets, uses: builtin/secrets}\n"
        f"  - {{name: lint, run: '{command}', shell: true, parse_output: text}}\n"
    )
    configured(repo, config)
    repo.write({f"{'d' * 200}/{n:04}.py": "x = 1\n" for n in range(600)})  # more names than one call takes
    code, out, err = interrupted(sign, begun.read_bytes, "--format", "json", cwd=repo.root)
    assert code == 130, err
    pipelines = {p["name"]: (p["kind"], p["status"], p["reason"]) for p in json.loads(out)["pipelines"]}
    assert pipelines["lint"] == ("script", "failed", "interrupted")
    (pid,) = calls.read_text().split()
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_max_seconds_ends_a_script_too(repo: Repo) -> None:
    configured(repo, "pipelines:\n  - {name: lint, run: sleep 600, parse_output: text}\n")
    ran = loom("review", "--max-seconds", "1", "--format", "json", cwd=repo.root)
    assert ran.code == 3
    (lint,) = json.loads(ran.out)["pipelines"]
    assert (lint["status"], lint["reason"]) == ("failed", "the time budget (budget.max_seconds) is used up")
