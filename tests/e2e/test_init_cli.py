"""`loom init` in real repositories: what it writes, what it leaves alone, and what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.cli import loom
from support.data import ROOT
from support.repos import Repo

from loom.cli.init_cmd import installed_from

SCAFFOLD = ROOT / "src" / "loom" / "scaffold"
FILES = {
    "github": (".github/workflows/loom.yml", "examples/github/loom.yml"),
    "gitlab": (".gitlab-ci.yml", "examples/gitlab/merge-requests.gitlab-ci.yml"),
    "gitea": (".gitea/workflows/loom.yml", "examples/gitea/loom.yml"),
    "forgejo": (".forgejo/workflows/loom.yml", "examples/forgejo/loom.yml"),
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.init(tmp_path / "repo")
    repo.commit("first", {"a.py": "x = 1\n"})
    return repo


def remote(repo: Repo, url: str) -> None:
    repo.git("remote", "add", "origin", url)


@pytest.mark.parametrize("platform", FILES)
def test_what_it_writes_is_the_example_of_the_documentation(repo: Repo, platform: str) -> None:
    ran = loom("init", "--platform", platform, cwd=repo.root)
    assert (ran.code, ran.err) == (0, "")
    path, example = FILES[platform]
    assert (repo.root / path).read_bytes() == (ROOT / example).read_bytes()
    assert f"wrote  {path}\n" in ran.out


def test_every_scaffold_is_an_example() -> None:
    examples = {(ROOT / example).read_bytes() for _, example in FILES.values()}
    examples.add((ROOT / "examples" / "woodpecker" / "loom.yml").read_bytes())
    assert {path.read_bytes() for path in SCAFFOLD.glob("*.yml")} == examples


def test_the_whole_answer_on_github(repo: Repo) -> None:
    remote(repo, "git@github.com:octo/demo.git")
    assert loom("init", cwd=repo.root).out == (
        "GitHub Actions: the remote origin is on github.com\n"
        "\n"
        "wrote  .loom/config.yaml\n"
        "wrote  .github/workflows/loom.yml\n"
        "\n"
        "then:\n"
        "  1. put the repository and the commit of the Loom release you use in place of OWNER/loom@0000…\n"
        "  2. no token is needed; for pull requests from forks see examples/github/fork-1-check.yml\n"
        "  3. a model, if you want one: its key as a secret ANTHROPIC_API_KEY, or another (docs/models.md)\n"
        "  4. commit, push, and open a pull request; `loom doctor` looks whether all is there, "
        "docs/github.md says more\n"
    )


@pytest.mark.parametrize(
    ("url", "files", "path"),
    [
        ("https://gitlab.com/group/sub/demo.git", {}, ".gitlab-ci.yml"),
        ("https://codeberg.org/octo/demo.git", {}, ".forgejo/workflows/loom.yml"),
        ("https://codeberg.org/octo/demo.git", {".woodpecker.yml": "steps: []\n"}, ".woodpecker/loom.yml"),
        ("ssh://git@gitea.example.com/octo/demo.git", {}, ".gitea/workflows/loom.yml"),
        (
            "https://git.example.com/octo/demo.git",
            {".github/workflows/ci.yml": "on: push\n"},
            ".github/workflows/loom.yml",
        ),
        (
            "https://git.example.com/octo/demo.git",
            {".gitea/workflows/ci.yml": "on: push\n"},
            ".gitea/workflows/loom.yml",
        ),
    ],
)
def test_the_platform_is_found_out(repo: Repo, url: str, files: dict[str, str], path: str) -> None:
    remote(repo, url)
    repo.write(files)
    assert f"wrote  {path}\n" in loom("init", cwd=repo.root).out
    assert (repo.root / path).is_file()


def test_where_nothing_tells_the_platform_only_the_configuration_is_written(repo: Repo) -> None:
    ran = loom("init", cwd=repo.root)
    assert ran.out.startswith("no CI file: there is no remote origin that tells, nor any CI file\n")
    assert "loom init --platform NAME" in ran.out
    assert repo.git("status", "--porcelain", "-uall").strip() == "?? .loom/config.yaml"


def test_the_configuration_is_valid_and_says_what_holds_anyway(repo: Repo) -> None:
    loom("init", cwd=repo.root)
    ran = loom("config", "check", cwd=repo.root)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "the configuration is valid (0 pipelines, 0 models)\n"


def test_nothing_is_overwritten_and_running_again_changes_nothing(repo: Repo) -> None:
    remote(repo, "https://gitlab.com/octo/demo.git")
    repo.write({".gitlab-ci.yml": "test:\n  script: make\n", ".loom/config.yaml": "output: {fail_on: never}\n"})
    before = repo.snapshot()
    ran = loom("init", cwd=repo.root)
    assert repo.snapshot() == before
    assert "left   .loom/config.yaml: it is there already\n" in ran.out
    assert "left   .gitlab-ci.yml: it is there already\n       add to it:\n" in ran.out
    assert "    file: /.gitlab-ci-template.yml\n" in ran.out
    (repo.root / ".gitlab-ci.yml").unlink()
    loom("init", cwd=repo.root)
    again = repo.snapshot()
    assert "left   .gitlab-ci.yml: .gitlab-ci.yml runs Loom already\n" in loom("init", cwd=repo.root).out
    assert repo.snapshot() == again


def test_a_workflow_of_another_name_that_runs_loom_is_enough(repo: Repo) -> None:
    repo.write({".github/workflows/review.yaml": f"steps:\n  - uses: octo/loom@{'a' * 40}\n"})
    ran = loom("init", "--platform", "github", cwd=repo.root)
    assert "left   .github/workflows/loom.yml: .github/workflows/review.yaml runs Loom already\n" in ran.out
    assert not (repo.root / ".github/workflows/loom.yml").exists()


def test_a_link_does_not_lead_it_out_of_the_repository(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo.root / ".loom").symlink_to(outside)
    ran = loom("init", cwd=repo.root)
    assert "left   .loom/config.yaml: a link in its path leads out of the repository\n" in ran.out
    assert list(outside.iterdir()) == []


def test_a_dry_run_shows_everything_and_writes_nothing(repo: Repo) -> None:
    before = repo.snapshot()
    ran = loom("init", "--platform", "github", "--dry-run", cwd=repo.root)
    assert repo.snapshot() == before
    assert "would write  .github/workflows/loom.yml\n    # A review on every pull request" in ran.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--platform", "githup"), 'unknown platform "githup". Did you mean "github"?'),
        ((), "is not in a git repository"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    place = tmp_path / "plain"
    place.mkdir()
    if args:
        Repo.init(place)
    ran = loom("init", *args, cwd=place)
    assert ran.code == 2
    assert message in ran.err


def test_loom_from_a_commit_writes_that_commit() -> None:
    noted = {"url": "https://github.com/octo/loom.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    origin = installed_from(lambda: json.dumps(noted))
    assert origin is not None
    assert origin.action == f"octo/loom@{'a' * 40}"


@pytest.mark.parametrize(
    "noted",
    [
        None,
        "",
        "{",
        "[]",
        json.dumps({"url": "file:///src/loom", "dir_info": {}}),
        json.dumps({"url": "https://github.com/octo/loom", "vcs_info": {"commit_id": "main"}}),
        json.dumps({"url": "ssh://git@github.com/octo/loom", "vcs_info": {"commit_id": "a" * 40}}),
    ],
)
def test_any_other_origin_is_none(noted: str | None) -> None:
    assert installed_from(lambda: noted) is None


def test_the_commit_stands_in_every_file_that_names_loom(repo: Repo) -> None:
    from loom.cli.init_cmd import Origin, Place, find, plan
    from loom.infra.git import Git

    origin = Origin("https://github.com/octo/loom", "a" * 40)
    for platform in ("github", "gitea", "forgejo"):
        with Git.discover(repo.root, dict(os.environ)) as git:
            place = find(repo.root, git, platform)
        assert isinstance(place, Place)
        content = plan(repo.root, place, origin)[-1].content
        assert "a" * 40 in content
        assert "OWNER" not in content
        yaml.safe_load(content)


def test_generated_workflows_pass_a_pedantic_zizmor(repo: Repo) -> None:
    zizmor = shutil.which("zizmor", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if zizmor is None:
        pytest.skip("zizmor is not installed")
    for platform in ("github", "gitea", "forgejo"):
        loom("init", "--platform", platform, cwd=repo.root)
    files = sorted(str(path) for path in repo.root.glob(".*/workflows/*.yml"))
    assert len(files) == 3
    command = [zizmor, "--offline", "--pedantic", "--no-progress", *files]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode()
