"""`loom report`: where the result comes from, where the page goes, and what is said when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import loom
from support.repos import Repo
from support.results import CASES

from loom.core.result import ReviewResult
from loom.outputs.base import Look
from loom.outputs.html import render
from loom.store import record


def page_of(case: ReviewResult) -> str:
    return render(case, Look())


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"cart.py": "def total(items, code):\n    return sum(items)\n"})
    return made.write({"cart.py": "def total(items, code, seen=[]):\n    seen.append(code)\n    return sum(items)\n"})


def test_without_an_argument_the_last_review_becomes_a_page_in_the_folder(repo: Repo) -> None:
    loom("review", cwd=repo.root)
    ran = loom("report", cwd=repo.root)
    page = repo.root / "loom-report.html"
    assert (ran.code, ran.out, ran.err) == (0, "", f"loom: the report is in {page}\n")
    assert "mutable-default-argument" in page.read_text("utf-8")
    assert page.read_text("utf-8").count("<article") == 1


def test_a_report_of_a_blocking_review_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(record.dumps(CASES["findings"]), "utf-8")
    ran = loom("report", "r.json", "--output", "out/page.html", cwd=tmp_path)
    assert ran.code == 0
    # The file tells what a result file can hold: show_path's form of odd paths, no description.
    assert (tmp_path / "out" / "page.html").read_text("utf-8") == page_of(CASES["findings"])


def test_standard_input_and_output_can_be_used(tmp_path: Path) -> None:
    ran = loom("report", "-", "-o", "-", cwd=tmp_path, stdin=record.dumps(CASES["incomplete"]).encode())
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == page_of(CASES["incomplete"])
    assert list(tmp_path.iterdir()) == []


def test_the_format_html_is_the_same_page(repo: Repo) -> None:
    ran = loom("review", "--format", "html", "--output", "json:r.json", cwd=repo.root)
    assert ran.out == loom("report", "r.json", "-o", "-", cwd=repo.root).out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "loom: error: there is no last result for this repository\n  hint: run loom review first, or name a"),
        (("none.json",), 2, "loom: error: cannot read none.json: No such file or directory\n  hint: name a file that"),
        (("there",), 2, "loom: error: cannot read there: Is a directory\n  hint: "),
        (("bad.json",), 2, "loom: error: bad.json"),
        (("good.json", "-o", "good.json"), 2, "error: the page would replace the result it is made from\n  hint: "),
        (("good.json", "-o", "there"), 2, "is a folder"),
        (("good.json", "-o", "-", "--open"), 2, "loom: error: --open needs a file\n  hint: "),
        (("good.json", "-o", "/dev/full"), 4, "No space left on device"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_what_to_do(
    args: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "bad.json").write_text("{}", "utf-8")
    (tmp_path / "good.json").write_text(record.dumps(CASES["clean"]), "utf-8")
    ran = loom("report", *args, cwd=tmp_path)
    assert ran.code == code
    assert said in ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert not (tmp_path / "loom-report.html").exists()


def test_without_a_terminal_no_browser_is_opened(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(record.dumps(CASES["clean"]), "utf-8")
    ran = loom("report", "r.json", "--open", cwd=tmp_path, env={"BROWSER": "false"})
    assert ran.code == 0
    assert ran.err.endswith("loom: not opened, since this is no terminal\n")


def test_on_a_terminal_the_browser_gets_the_page(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(record.dumps(CASES["clean"]), "utf-8")
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > "$0.opened"\n')
    browser.chmod(0o755)
    terminal, screen = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "loom", "report", "r.json", "--open"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "TERM": "xterm", "BROWSER": f"{browser} %s"},
        stderr=screen, timeout=60, check=False,
    )  # fmt: skip
    os.close(screen)
    os.close(terminal)
    assert done.returncode == 0
    assert (tmp_path / "browser.opened").read_text() == (tmp_path / "loom-report.html").as_uri()
