"""A small repository in many languages: a clean first commit, and a second one with a real defect or two per file.

The files are tests/cases/polyglot/{before,after}/PATH.txt: no tool of this project takes them for its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from support.data import ROOT
from support.repos import Repo

CASES = ROOT / "tests" / "cases" / "polyglot"
_SUFFIX = ".txt"
_EXECUTABLE = (".sh", ".pl")
SECRET_FILE = "config/deploy.env"


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding that must be there."""

    path: str
    line: int
    rule: str | None
    """None: the tool names no rules."""
    url: str | None = None


def polyglot(root: Path) -> Repo:
    """The repository, with the defects in its last commit."""
    repo = Repo.init(root)
    _commit(repo, "Take orders", files("before"))
    # Put together here, so that nothing that looks like a token stands in this repository.
    token = "ghp_" + "x7Qd9LmT2vKs8RbN4wYc" + "5HjP1fZa6GeU3333"
    _commit(repo, "Report, archive and deploy", {**files("after"), SECRET_FILE: f"REGION=eu\nGITHUB_TOKEN={token}\n"})
    return repo


def clean(root: Path) -> Repo:
    """A repository whose last commit adds the files without their defects."""
    repo = Repo.init(root)
    repo.commit("Begin")
    _commit(repo, "Take orders", files("before"))
    return repo


def files(side: str) -> dict[str, str]:
    """The files of one side by their path in the repository."""
    folder = CASES / side
    found = sorted(path for path in folder.rglob(f"*{_SUFFIX}") if path.is_file())
    return {path.relative_to(folder).as_posix().removesuffix(_SUFFIX): path.read_text("utf-8") for path in found}


def expected(group: str) -> dict[str, list[Expected]]:
    """What each linter (`linters`) or built-in pipeline (`builtin`) finds, by its name."""
    told = cast("dict[str, dict[str, list[dict[str, object]]]]", json.loads((CASES / "expected.json").read_text()))
    return {name: [Expected(**entry) for entry in entries] for name, entries in told[group].items()}  # type: ignore[arg-type]


def _commit(repo: Repo, message: str, content: dict[str, str]) -> None:
    repo.write(content)
    for path in content:
        if path.endswith(_EXECUTABLE):
            (repo.root / path).chmod(0o755)
    repo.commit(message)
