"""Configurations as cases: a folder under tests/cases/config, and beside it what Loom makes of it.

`REGENERATE=1 pytest tests/unit/test_config_cases.py` rewrites the expectations; read the difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loom.cli.config_cmd import check, show
from loom.config.load import Loaded, Sources, load
from loom.core.errors import ConfigError

CASES = Path(__file__).parents[1] / "cases" / "config"
ENVIRON = {
    "LOOM_CONFIG_VARS": "GATEWAY, GATEWAY_TOKEN TEAM",
    "GATEWAY": "gateway.example.com",
    "GATEWAY_TOKEN": "swordfish-swordfish",
    "HOME": "/home/someone",
    "GITHUB_TOKEN": "ghs_never",
    "OPENAI_API_KEY": "sk-never",
    "LOOM_NESTED": "${GATEWAY}",
}


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir() if p.is_dir()))
def test_a_configuration_comes_to_what_its_case_says(case: str) -> None:
    expected = CASES / f"{case}.txt"
    actual = outcome(CASES / case)
    if os.environ.get("REGENERATE"):
        expected.write_text(actual, "utf-8")
    assert actual == expected.read_text("utf-8")
    assert "swordfish" not in actual
    assert "A1b2C3d4" not in actual
    assert "sk-never" not in actual
    assert "ghs_never" not in actual


def outcome(root: Path) -> str:
    """All problems, or what `config check` says and the part of `config show` that somebody set."""

    def read(path: str) -> bytes | None:
        file = root / path
        return file.read_bytes() if file.is_file() else None

    try:
        loaded = load(Sources(repo_read=read, environ=ENVIRON))
    except ConfigError as error:
        return error.message + "\n"
    return check(loaded) + "\n" + set_lines(loaded)


def set_lines(loaded: Loaded) -> str:
    lines = [line for line in show(loaded).splitlines() if not line.endswith(("# default", ":"))]
    return "".join(f"{line.strip()}\n" for line in lines)
