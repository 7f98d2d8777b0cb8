"""Run the real program as a user would: a process of its own, a scrubbed environment, a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """What a user sees."""

    code: int
    out: str
    err: str


def loom(*args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ran:
    """`loom ARGS` in `cwd`. `env` is added to PATH, HOME and the test's own git settings; nothing else gets in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "GIT_CONFIG_NOSYSTEM") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "loom", *args],
        cwd=cwd,
        env={**kept, "LANG": "C.UTF-8", **(env or {})},
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
