"""`linter/auto` over a repository in many languages, with every linter that is installed on this machine. What a linter
prints is pinned by tests/unit/test_linters.py; here it really runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.cli import Ran, loom
from support.polyglot import Expected, clean, expected, polyglot
from support.repos import Repo

from loom.analyzers.linter_file import Linter, catalogue

LINTERS = expected("linters")
BUILTIN = [(name, entry) for name, entries in expected("builtin").items() for entry in entries]
# Programs that are installed beside this Python count, whether its environment is active or not.
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
TOOLCHAINS = Path.home() / ".rustup"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One review of the repository, as text and as a result."""

    repo: Repo
    home: str
    ran: Ran
    findings: list[dict[str, object]]
    pipelines: dict[str, dict[str, object]]

    def found(self, name: str, wanted: Expected) -> str | None:
        """The link of the finding that `name` reports there; an empty string without one, None without the finding."""
        for finding in self.findings:
            also: list[dict[str, object]] = finding["also"]  # type: ignore[assignment]
            told = [(finding["pipeline"], finding["rule"], finding["rule_url"])]
            told += [(other["source"], other["rule"], other["rule_url"]) for other in also]
            if (finding["path"], finding["line"]) != (wanted.path, wanted.line):
                continue
            if wanted.rule is None and name in finding["sources"]:  # type: ignore[operator]
                return ""
            for source, rule, url in told:
                if (source, rule) == (name, wanted.rule):
                    return str(url or "")
        return None


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    """The review of the defects."""
    with accepted(tmp_path_factory.mktemp("polyglot"), polyglot) as review:
        yield review


@contextlib.contextmanager
def accepted(folder: Path, build: Callable[[Path], Repo]) -> Iterator[Reviewed]:
    """The review of a repository's last commit by everything there is, in an accepted checkout."""
    home = folder / "home"
    home.mkdir()
    if TOOLCHAINS.is_dir():  # cargo looks for them in the home
        (home / ".rustup").symlink_to(TOOLCHAINS)
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Test")
            patch.setenv(f"GIT_{role}_EMAIL", "test@example.invalid")
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        repo = build(folder / "shop")
        env = {"PATH": PATH, "HOME": str(home)}
        assert loom("trust", cwd=repo.root, env=env).code == 0
        place = home / "result.json"
        ran = loom("review", "--offline", "--base", "HEAD~1", "--output", f"json:{place}", cwd=repo.root, env=env)
        assert place.is_file(), ran.err
        result = json.loads(place.read_text())
        pipelines = {pipeline["name"]: pipeline for pipeline in result["pipelines"]}
        yield Reviewed(repo, str(home), ran, result["findings"], pipelines)


def works(row: Linter, home: str) -> bool:
    """Whether the linter is installed here and starts."""
    if shutil.which(row.program, path=PATH) is None:
        return False
    env = {"PATH": PATH, "HOME": home, "LANG": "C.UTF-8", **row.env}
    return subprocess.run(row.version, env=env, cwd=home, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("name", LINTERS)
def test_a_real_linter_finds_the_defect_and_keeps_its_rule_and_link(name: str, reviewed: Reviewed) -> None:
    row = catalogue()[name]
    if not works(row, reviewed.home):
        pytest.skip(f"{row.title} is not installed ({row.install})")
    told = reviewed.pipelines[f"linter/{name}"]
    assert told["status"] == "ok", told["reason"]
    for wanted in LINTERS[name]:
        url = reviewed.found(f"linter/{name}", wanted)
        assert url is not None, [f["title"] for f in reviewed.findings if f["path"] == wanted.path]
        assert wanted.url in (None, url)
        assert wanted.rule is None or wanted.rule in reviewed.ran.out
        assert url in reviewed.ran.out


@pytest.mark.parametrize(("name", "wanted"), BUILTIN, ids=lambda value: getattr(value, "rule", value))
def test_the_built_in_analyzers_find_their_defects_beside_the_linters(
    name: str, wanted: Expected, reviewed: Reviewed
) -> None:
    url = reviewed.found(name, wanted)
    assert url is not None
    assert wanted.url in (None, url)


def test_exactly_the_linters_that_the_repository_configures_are_chosen(reviewed: Reviewed) -> None:
    chosen = {name.removeprefix("linter/") for name in reviewed.pipelines if name.startswith("linter/")}
    assert chosen == set(LINTERS)


def test_a_linter_that_is_not_installed_is_told_with_its_install_command_and_harms_nobody(reviewed: Reviewed) -> None:
    missing = [name for name in LINTERS if shutil.which(catalogue()[name].program, path=PATH) is None]
    if not missing:
        pytest.skip("every linter is installed here")
    for name in missing:
        told = reviewed.pipelines[f"linter/{name}"]
        assert (told["status"], told["reason"]) == ("skipped", "not installed")
        assert told["hint"] == catalogue()[name].install
    # On the screen they are one thing to know, with as many of the commands as a reader wants to see.
    (line,) = [line for line in reviewed.ran.out.splitlines() if line.endswith("(skipped): not installed")]
    first = next(name for name in reviewed.pipelines if name.removeprefix("linter/") in missing)
    assert first in line


def test_every_finding_with_a_comment_stands_on_a_line_of_the_change(reviewed: Reviewed) -> None:
    added = _added_lines(reviewed.repo)
    for finding in reviewed.findings:
        if finding["anchor"] in ("exact", "moved"):
            start, end = int(str(finding["line"])), int(str(finding["end_line"]))
            assert added[str(finding["path"])].intersection(range(start, end + 1)), finding["title"]


def test_the_linters_leave_nothing_behind_in_the_repository(reviewed: Reviewed) -> None:
    assert reviewed.repo.git("status", "--porcelain") == ""


def test_the_secret_of_the_change_is_nowhere_in_the_output(reviewed: Reviewed) -> None:
    secret = (reviewed.repo.root / "config/deploy.env").read_text().partition("GITHUB_TOKEN=")[2].strip()
    assert secret not in reviewed.ran.out + reviewed.ran.err + json.dumps(reviewed.findings)


def test_no_linter_finds_anything_in_the_files_without_the_defects(tmp_path: Path) -> None:
    with accepted(tmp_path, clean) as review:
        told = {
            name: (pipeline["status"], pipeline["reason"])
            for name, pipeline in review.pipelines.items()
            if name.startswith("linter/") and works(catalogue()[name.removeprefix("linter/")], review.home)
        }
        assert {name: why for name, why in told.items() if why[0] != "ok"} == {}
        assert [(f["path"], f["line"], f["rule"], f["title"]) for f in review.findings] == []


def _added_lines(repo: Repo) -> dict[str, set[int]]:
    """The lines that the last commit adds, by path."""
    lines: dict[str, set[int]] = {}
    path = ""
    for line in repo.git("diff", "-U0", "HEAD~1").splitlines():
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            lines.setdefault(path, set()).update(range(first, first + count))
    return lines
