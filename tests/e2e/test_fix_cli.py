"""`loom fix`: suggestions of the last review, shown and applied to the working tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import loom
from support.repos import Repo

BEFORE = "def check(x):\n    return x\n"
AFTER = (
    'def check(x):\n    assert (x > 0, "positive")\n    return x\n\n\n'
    'def other(y):\n    assert (y > 0, "positive")\n    return y\n'
)
FIXED = AFTER.replace('(x > 0, "positive")', 'x > 0, "positive"').replace('(y > 0, "positive")', 'y > 0, "positive"')


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A change with two assertions that can never fail, reviewed."""
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"check.py": BEFORE})
    made.write({"check.py": AFTER})
    assert loom("review", cwd=made.root).code == 1
    return made


def text(repo: Repo) -> str:
    return (repo.root / "check.py").read_text()


def fingerprints(repo: Repo) -> list[str]:
    """Of the findings that can be fixed, in order of lines."""
    shown = loom("fix", "--dry-run", cwd=repo.root).out.splitlines()
    return [line.split()[0] for line in shown if " check.py:" in line]


def test_the_change_is_shown_first_and_applied_only_when_told(repo: Repo) -> None:
    shown = loom("fix", "--dry-run", cwd=repo.root)
    assert shown.code == 0
    assert '-    assert (x > 0, "positive")\n+    assert x > 0, "positive"\n' in shown.out
    assert text(repo) == AFTER

    asked = loom("fix", cwd=repo.root)
    assert (asked.code, text(repo)) == (2, AFTER)
    assert "nobody is there to ask" in asked.err
    assert "--yes" in asked.err

    done = loom("fix", "--yes", cwd=repo.root)
    assert (done.code, text(repo)) == (0, FIXED)
    assert done.out.endswith("applied 2 fixes to 1 file; `loom review` looks at the result\n")
    assert loom("review", cwd=repo.root).code == 0


def test_one_is_chosen_by_the_beginning_of_its_fingerprint(repo: Repo) -> None:
    _, second = fingerprints(repo)
    assert loom("fix", "--yes", second[:6], cwd=repo.root).code == 0
    assert 'assert (x > 0, "positive")' in text(repo)
    assert 'assert y > 0, "positive"' in text(repo)


def test_a_fingerprint_nobody_knows_changes_nothing(repo: Repo) -> None:
    ran = loom("fix", "--yes", "feedfeedfeedfeed", cwd=repo.root)
    assert (ran.code, text(repo)) == (2, AFTER)
    assert 'no finding of the last review has the fingerprint "feedfeedfeedfeed"' in ran.err


def test_it_follows_lines_that_moved_and_leaves_what_changed(repo: Repo) -> None:
    moved = "import os\n\n\n" + AFTER.replace("y > 0", "y > 1")
    repo.write({"check.py": moved})
    ran = loom("fix", "--yes", cwd=repo.root)
    assert ran.code == 3
    assert text(repo) == moved.replace('(x > 0, "positive")', 'x > 0, "positive"')
    assert "not applied:" in ran.out
    assert "the code there has changed since the review" in ran.out


def test_line_ends_and_mode_stay(repo: Repo) -> None:
    windows = AFTER.replace("\n", "\r\n").encode()
    repo.write({"check.py": windows})
    (repo.root / "check.py").chmod(0o755)
    assert loom("review", cwd=repo.root).code == 1
    assert loom("fix", "--yes", cwd=repo.root).code == 0
    assert (repo.root / "check.py").read_bytes() == FIXED.replace("\n", "\r\n").encode()
    assert (repo.root / "check.py").stat().st_mode & 0o777 == 0o755


def test_nothing_is_written_through_a_link(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text(AFTER)
    (repo.root / "check.py").unlink()
    (repo.root / "check.py").symlink_to(outside)
    ran = loom("fix", "--yes", cwd=repo.root)
    assert (ran.code, outside.read_text()) == (3, AFTER)
    assert "there is no such file here" in ran.out


def test_a_result_file_serves_too_but_never_reaches_into_git(repo: Repo) -> None:
    saved = loom("review", "--last", "--format", "json", cwd=repo.root).out
    hostile = saved.replace("check.py", ".git/check.py")
    (repo.root / ".git" / "check.py").write_text(AFTER)
    (repo.root / "result.json").write_text(hostile)
    ran = loom("fix", "--yes", "--from", "result.json", cwd=repo.root)
    assert ran.code == 2
    assert "not a file of the working tree" in ran.err
    assert (repo.root / ".git" / "check.py").read_text() == AFTER

    (repo.root / "result.json").write_text(saved)
    assert loom("fix", "--yes", "--from", "result.json", cwd=repo.root).code == 0
    assert text(repo) == FIXED


def test_without_a_review_the_error_says_what_to_do(tmp_path: Path) -> None:
    ran = loom("fix", cwd=Repo.init(tmp_path / "new").root)
    assert ran.code == 2
    assert "there is no last result" in ran.err
    assert "run `loom review` first" in ran.err


def test_a_secret_beside_a_fix_is_not_printed(repo: Repo) -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    repo.write({"check.py": f'KEY = "{secret}"\n{AFTER}'})
    assert loom("review", cwd=repo.root).code == 1
    ran = loom("fix", "--yes", cwd=repo.root)
    assert ran.code == 0
    assert secret not in ran.out + ran.err
    assert ' KEY = "[REDACTED:github-token:1]"' in ran.out
    assert text(repo) == f'KEY = "{secret}"\n{FIXED}'


def test_what_was_fixed_before_is_said_so(repo: Repo) -> None:
    assert loom("fix", "--yes", cwd=repo.root).code == 0
    again = loom("fix", "--yes", cwd=repo.root)
    assert again.code == 0
    assert again.out.count("already there:") == 2
