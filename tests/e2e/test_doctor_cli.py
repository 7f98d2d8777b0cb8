"""`loom doctor` in real repositories and jobs, with fake forges over HTTP: findings, remedies, exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.cli import loom
from support.forge.core import Pull
from support.forge.rig import FAKES, Rig, rig
from support.repos import Repo

KEY = "sk-test-0123456789abcdefghij"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.init(tmp_path / "repo")
    repo.commit("first", {"a.py": "x = 1\n"})
    return repo


def examined(place: Path, *flags: str, **env: str) -> tuple[int, dict[str, list[tuple[str, str, str]]]]:
    """The exit code, and by name the checks: state, what is said, how to mend it."""
    ran = loom("doctor", "--format", "json", *flags, cwd=place, env=env)
    assert ran.err == ""
    document = json.loads(ran.out)
    assert document["version"] == 1
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in document["checks"]:
        found.setdefault(row["name"], []).append((row["state"], row["says"], row["mend"]))
    return ran.code, found


# -- here --------------------------------------------------------------------------------------------------------------


def test_a_person_without_anything_can_review(repo: Repo) -> None:
    code, found = examined(repo.root, "--offline")
    assert code == 0
    assert found["git"][0][1].startswith("git version ")
    assert found["checkout"] == [("ok", f"{repo.head()[:12]}, with all of its history", "")]
    assert found["configuration"] == [("ok", "none: the defaults apply", "")]
    assert found["job"] == [("ok", "no CI job: reviews are printed", "`--pr URL` looks at a pull request")]
    assert found["cache"][0][0] == found["state"][0][0] == "ok"


def test_as_text_every_line_has_its_state_and_the_last_counts(repo: Repo) -> None:
    ran = loom("doctor", "--offline", cwd=repo.root, env={"LOOM_MODEL": "anthropic/claude-x"})
    *lines, empty, last = ran.out.splitlines()
    assert ran.code == 2
    assert {line[:4] for line in lines} <= {"ok  ", "warn", "FAIL", "    "}
    at = lines.index("FAIL  model          anthropic/claude-x: no key")
    assert lines[at + 1].strip() == "set ANTHROPIC_API_KEY as a secret of the job"
    assert (empty, last.endswith(", 1 in the way of a review")) == ("", True)


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    place = tmp_path / "plain"
    place.mkdir()
    code, found = examined(place, "--offline")
    assert code == 2
    assert found["checkout"][0][0] == "fail"
    assert "is not in a git repository" in found["checkout"][0][1]


def test_a_shallow_clone_is_told_and_how_to_deepen_it(repo: Repo, tmp_path: Path) -> None:
    repo.commit("second", {"a.py": "x = 2\n"})
    clone = repo.clone(tmp_path / "clone", "--depth=1")
    _, found = examined(clone.root, "--offline")
    state, _, mend = found["checkout"][0]
    assert (state, "git fetch --unshallow" in mend) == ("warn", True)


def test_every_mistake_of_the_configuration_is_a_check(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "output: {fail_on: sometimes}\nnonsense: 1\n"})
    code, found = examined(repo.root, "--offline")
    assert code == 2
    assert len(found["configuration"]) == 2
    assert all(state == "fail" and says.startswith(".loom/config.yaml:") for state, says, _ in found["configuration"])


def test_a_linter_that_is_configured_and_not_installed_is_named_with_its_command(repo: Repo) -> None:
    repo.write({".hadolint.yaml": "ignored: []\n"})
    code, found = examined(repo.root, "--offline", PATH="/usr/bin:/bin")
    [(state, says, mend)] = [row for row in found["linter"] if "adolint" in row[1]]
    assert (code, state, says) == (0, "warn", "Hadolint is configured and not installed")
    assert mend != ""


# -- a model -----------------------------------------------------------------------------------------------------------


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined] # set below
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    server.seen = []  # type: ignore[attr-defined] # for the tests
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_server_is_reached_without_the_key_and_without_a_question(repo: Repo, server: HTTPServer) -> None:
    env = {"LOOM_MODEL": "mine", "LOOM_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "LOOM_API_KEY": KEY}
    code, found = examined(repo.root, **env)
    origin = f"http://127.0.0.1:{server.server_port}"
    said = f"openai-compatible/mine: {origin} answers; the key is not tried, that could cost"
    assert (code, found["model"]) == (0, [("ok", said, "")])
    [headers] = server.seen  # type: ignore[attr-defined] # set above
    assert KEY not in str(headers)


def test_a_model_server_that_is_down_is_in_the_way(repo: Repo) -> None:
    code, found = examined(repo.root, LOOM_MODEL="mine", LOOM_BASE_URL="http://127.0.0.1:9/v1", LOOM_API_KEY=KEY)
    assert code == 2
    assert found["model"][0][0] == "fail"


# -- a job -------------------------------------------------------------------------------------------------------------


def actions(forge: Rig, opened: Pull, folder: Path, **more: str) -> dict[str, str]:
    """The variables of a job of that pull request."""
    own = {"id": 1, "full_name": forge.forge.name}
    head = {"id": 2, "full_name": opened.source_repo} if opened.fork else own
    told: Mapping[str, Any] = {
        "number": opened.number,
        "head": {"sha": opened.head, "ref": opened.branch, "repo": head},
        "base": {"sha": forge.forge.tip("main"), "ref": "main", "repo": own},
    }
    event = folder.parent / "event.json"
    event.write_text(json.dumps({"action": "synchronize", "number": opened.number, "pull_request": told}))
    project = forge.fake.project(forge.server.url)
    marks = {"gitea": {"GITEA_ACTIONS": "true"}, "forgejo": {"FORGEJO_ACTIONS": "true"}}.get(forge.name, {})
    return {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": project.repo, "GITHUB_SERVER_URL": project.web_url, "GITHUB_API_URL": project.api_url,
        "GITHUB_TOKEN": forge.fake.full_token(), **marks, **more,
    }  # fmt: skip


@pytest.mark.parametrize("platform", ["github", "gitea", "forgejo"])
def test_a_job_with_a_good_token_is_in_order(platform: str, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    with rig(platform, tmp_path / "forge", files={"a.py": "x = 1\n"}) as forge:
        opened = forge.forge.open_pull({"a.py": "x = 2\n"})
        code, found = examined(job, **actions(forge, opened, job))
        written = forge.server.requests("POST|PUT|PATCH|DELETE", r"^(?!.*graphql)")
    assert code == 0, found
    assert found["token"] == [("ok", "from GITHUB_TOKEN", "")]
    assert found["platform"][0][0] == "ok"
    assert found["pull request"] == [("ok", f"{opened.number}, head {opened.head[:12]}, into main", "")]
    assert written == []


def test_gitlab_named_from_a_laptop(tmp_path: Path, repo: Repo) -> None:
    with rig("gitlab", tmp_path / "forge", files={"a.py": "x = 1\n"}) as forge:
        opened = forge.forge.open_pull({"a.py": "x = 2\n"})
        project = forge.fake.project(forge.server.url)
        where = ("--platform", "gitlab", "--platform-url", project.web_url, "--repo", project.repo)
        code, found = examined(repo.root, "--pr", str(opened.number), *where, LOOM_TOKEN=forge.fake.full_token())
    assert code == 0, found
    assert found["pull request"][0][0] == "ok"
    assert set(FAKES) >= {"gitlab"}


@pytest.mark.parametrize("platform", ["github", "gitea"])
def test_a_wrong_token_is_named_by_its_variable_and_never_shown(platform: str, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    with rig(platform, tmp_path / "forge", files={"a.py": "x = 1\n"}) as forge:
        opened = forge.forge.open_pull({"a.py": "x = 2\n"})
        ran = loom("doctor", cwd=job, env=actions(forge, opened, job, GITHUB_TOKEN="wrong-0123456789abcdef"))
    assert ran.code == 2
    assert "GITHUB_TOKEN" in ran.out
    assert "wrong-0123456789" not in ran.out + ran.err


def test_a_job_without_a_token_is_told_which_variable_to_set(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    with rig("gitea", tmp_path / "forge", files={"a.py": "x = 1\n"}) as forge:
        env = actions(forge, forge.forge.open_pull({"a.py": "x = 2\n"}), job)
        del env["GITHUB_TOKEN"]
        _, found = examined(job, **env)
    assert found["token"][0][2] == "set one of LOOM_TOKEN, GITEA_TOKEN, FORGEJO_TOKEN, GITHUB_TOKEN"


def test_a_server_that_is_not_there_is_in_the_way(tmp_path: Path, repo: Repo) -> None:
    where = ("--platform", "gitea", "--platform-url", "http://127.0.0.1:9", "--repo", "octo/demo")
    code, found = examined(repo.root, "--pr", "7", *where, LOOM_TOKEN="t-0123456789abcdef")
    assert code == 2
    assert found["platform"][0][0] == "fail"


def test_an_unknown_format_is_refused(repo: Repo) -> None:
    ran = loom("doctor", "--format", "jsn", cwd=repo.root)
    assert (ran.code, ran.out) == (2, "")
    assert '"jsn" is neither text nor json. Did you mean "json"?' in ran.err
