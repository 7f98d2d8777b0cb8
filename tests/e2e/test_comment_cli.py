"""`loom comment` as a CI job starts it: who is heard, what is done, and what stands on the fake forge afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.forge.core import Pull, Said
from support.forge.faults import Fault
from support.forge.rig import Rig, rig

BAD = {"cart.py": "def total(items, seen=[]):\n    seen.append(1)\n    return sum(items)\n"}
BASE = {"cart.py": "def total(items):\n    return sum(items)\n", "README.md": "# Cart\n"}


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Rig]:
    with rig("github", tmp_path / "forge", files=BASE) as up:
        up.forge.add_user("ada", "write")
        up.forge.add_user("mallory", "read")
        yield up


@pytest.fixture
def opened(forge: Rig) -> Pull:
    return forge.forge.open_pull(BAD, author="mallory", fork=True)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def write(forge: Rig, opened: Pull, author: str, body: str) -> Said:
    """Somebody's general comment."""
    return forge.forge.say(opened.number, forge.forge.users[author], body)


def reply(forge: Rig, opened: Pull, author: str, body: str) -> Said:
    """Somebody's reply in Loom's first thread."""
    talk = next(talk for talk in forge.forge.talks if talk.pull == opened.number)
    return forge.forge.say(opened.number, forge.forge.users[author], body, talk=talk)


def env_of(forge: Rig, opened: Pull, folder: Path, said: Said, **event: Any) -> dict[str, str]:
    """The job that GitHub starts for the comment."""
    comment: dict[str, Any] = {
        "id": said.id, "body": said.body, "created_at": said.created,
        "user": {"login": said.author.login, "type": "Bot" if said.author.bot else "User"},
    }  # fmt: skip
    told: dict[str, Any] = {"action": "created", "comment": comment}
    name = "issue_comment"
    if said.thread is None:
        told["issue"] = {"number": opened.number, "pull_request": {"url": "x"}, "user": {"login": "mallory"}}
    else:
        name, own = "pull_request_review_comment", {"id": 1, "full_name": forge.forge.name}
        told["pull_request"] = {
            "number": opened.number, "head": {"sha": opened.head, "ref": "topic", "repo": own},
            "base": {"sha": forge.forge.tip("main"), "ref": "main", "repo": own},
        }  # fmt: skip
    path = folder.parent / "comment.json"
    path.write_text(json.dumps({**told, **event}))
    project = forge.fake.project(forge.server.url)
    return {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": project.repo, "GITHUB_SERVER_URL": project.web_url, "GITHUB_API_URL": project.api_url,
        "GITHUB_RUN_ID": "1", "GITHUB_TOKEN": forge.fake.full_token(),
    }  # fmt: skip


def handle(folder: Path, env: Mapping[str, str]) -> Ran:
    ran = loom("comment", cwd=folder, env=env)
    assert "Traceback" not in ran.err
    return ran


def ours(forge: Rig, opened: Pull) -> list[str]:
    """General comments by Loom."""
    return [one.body for one in forge.forge.general(opened.number) if one.author.bot]


def receipts(said: Said) -> list[str]:
    return [content for content, _ in said.reactions]


def write_requests(forge: Rig) -> list[str]:
    return [
        e.request.path for e in forge.server.journal if e.request.method != "GET" and "graphql" not in e.request.path
    ]


# -- review -----------------------------------------------------------------------------------------------------------


def test_a_review_is_made_and_posted_for_who_may_write(forge: Rig, opened: Pull, job: Path) -> None:
    said = write(forge, opened, "ada", "/loom review\nplease")
    ran = handle(job, env_of(forge, opened, job, said))
    assert ran.code == 0, ran.err
    assert receipts(said) == ["eyes", "+1"]
    assert len(forge.forge.inline(opened.number)) == 1
    (summary,) = ours(forge, opened)
    assert "loom:1:" in summary


def test_a_reader_a_stranger_and_a_bot_get_no_review(forge: Rig, opened: Pull, job: Path) -> None:
    forge.forge.add_user("visitor", "none")
    forge.forge.add_user("helper[bot]", "admin", bot=True)
    for author, receipt in (("mallory", ["-1"]), ("visitor", ["-1"]), ("helper[bot]", [])):
        said = write(forge, opened, author, "/loom review")
        ran = handle(job, env_of(forge, opened, job, said))
        assert (ran.code, receipts(said)) == (0, receipt), author
        assert "nothing was done" in ran.err
    assert forge.forge.inline(opened.number) == []
    assert [body for body in ours(forge, opened) if "/loom" not in body] == []


def test_the_platforms_word_counts_and_not_the_events(forge: Rig, opened: Pull, job: Path) -> None:
    said = write(forge, opened, "mallory", "/loom review")
    env = env_of(forge, opened, job, said)
    event = json.loads(Path(env["GITHUB_EVENT_PATH"]).read_text())
    event["comment"]["author_association"] = "OWNER"
    Path(env["GITHUB_EVENT_PATH"]).write_text(json.dumps(event))
    assert handle(job, env).code == 0
    assert receipts(said) == ["-1"]
    assert forge.forge.inline(opened.number) == []


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_permission_that_cannot_be_asked_is_denied(forge: Rig, opened: Pull, job: Path, status: int) -> None:
    said = write(forge, opened, "ada", "/loom review")
    forge.server.faults.add(Fault(path="/collaborators/", status=status, times=0))
    ran = handle(job, env_of(forge, opened, job, said))
    assert ran.code == 0
    assert "could not be asked" in ran.err
    assert receipts(said) == ["-1"]
    assert forge.forge.inline(opened.number) == []


def test_the_teams_own_bar_is_read_from_the_target_branch(forge: Rig, job: Path) -> None:
    forge.forge.commit("main", {".loom/config.yaml": "commands: {review: admin}\n"})
    opened = forge.forge.open_pull({**BAD, ".loom/config.yaml": "commands: {review: read}\n"}, author="mallory")
    said = write(forge, opened, "ada", "/loom review")
    handle(job, env_of(forge, opened, job, said))
    assert receipts(said) == ["-1"]
    assert forge.forge.inline(opened.number) == []


@pytest.mark.parametrize("action", ["edited", "deleted"])
def test_an_edit_does_nothing_at_all(forge: Rig, opened: Pull, job: Path, action: str) -> None:
    said = write(forge, opened, "ada", "/loom review")
    ran = handle(job, env_of(forge, opened, job, said, action=action))
    assert (ran.code, receipts(said)) == (0, [])
    assert forge.server.journal == []


def test_talk_about_loom_does_nothing_at_all(forge: Rig, opened: Pull, job: Path) -> None:
    said = write(forge, opened, "ada", "see workflows/loom review")
    assert handle(job, env_of(forge, opened, job, said)).code == 0
    assert forge.server.journal == []


def test_a_comment_on_an_issue_does_nothing(forge: Rig, opened: Pull, job: Path) -> None:
    said = write(forge, opened, "ada", "/loom review")
    ran = handle(job, env_of(forge, opened, job, said, issue={"number": 3}))
    assert ran.code == 0
    assert forge.server.journal == []


def test_a_flag_that_is_not_listed_gets_the_help_once(forge: Rig, opened: Pull, job: Path) -> None:
    said = write(forge, opened, "ada", "/loom review --base-url=https://evil.invalid @ada")
    assert handle(job, env_of(forge, opened, job, said)).code == 0
    assert receipts(said) == ["-1"]
    (answer,) = ours(forge, opened)
    assert "That is no command of Loom" in answer
    assert "`/loom review`" in answer
    assert "https://evil.invalid " not in answer
    assert forge.forge.inline(opened.number) == []


def test_help_is_answered(forge: Rig, opened: Pull, job: Path) -> None:
    said = write(forge, opened, "ada", "/loom")
    handle(job, env_of(forge, opened, job, said))
    assert receipts(said) == ["+1"]
    assert "`/loom ignore FINGERPRINT reason`" in ours(forge, opened)[0]


def test_a_push_after_the_comment_is_said_and_not_reviewed(forge: Rig, job: Path) -> None:
    opened = forge.forge.open_pull(BAD, author="mallory")
    handle(job, env_of(forge, opened, job, write(forge, opened, "ada", "/loom review")))
    said = reply(forge, opened, "ada", "/loom review")
    env = env_of(forge, opened, job, said)
    forge.forge.push(opened, {"evil.py": "def f(x=[]):\n    return x\n"})
    assert handle(job, env).code == 0
    assert receipts(said) == ["-1"]
    assert "The head moved" in ours(forge, opened)[-1]
    assert all(one.body.count("evil.py") == 0 for one in forge.forge.inline(opened.number))


@pytest.mark.parametrize("platform", ["gitea", "forgejo"])
def test_gitea_and_forgejo_are_handled_alike(platform: str, tmp_path: Path, job: Path) -> None:
    with rig(platform, tmp_path / "other", files=BASE) as forge:
        forge.forge.add_user("ada", "write")
        opened = forge.forge.open_pull(BAD, author="ada")
        pull = {"number": opened.number, "head": {"sha": opened.head, "ref": "topic"}, "base": {"ref": "main"}}
        marks = {f"{platform.upper()}_ACTIONS": "true"}
        said = write(forge, opened, "ada", "/loom review")
        env = env_of(forge, opened, job, said, is_pull=True, pull_request=pull) | marks
        ran = handle(job, env)
        assert ran.code == 0, ran.err
        assert receipts(said) == ["eyes", "+1"]
        assert len(forge.forge.inline(opened.number)) == 1
        later = write(forge, opened, "ada", "/loom review --full")
        env = env_of(forge, opened, job, later, is_pull=True, pull_request=pull) | marks
        forge.forge.push(opened, {"evil.py": "def f(x=[]):\n    return x\n"})
        assert handle(job, env).code == 0
        assert receipts(later) == ["-1"]
        assert "The head moved" in forge.forge.general(opened.number)[-1].body


def test_a_gitlab_note_that_triggers_a_pipeline_is_handled_too(tmp_path: Path, job: Path) -> None:
    with rig("gitlab", tmp_path / "other", files=BASE) as forge:
        forge.forge.add_user("ada", "write")
        opened = forge.forge.open_pull(BAD, author="ada")
        said = write(forge, opened, "ada", "/loom review")
        note = {"id": said.id, "note": said.body, "action": "create", "created_at": said.created}
        merge_request = {"iid": opened.number, "source_project_id": 1, "target_project_id": 1}
        told = {"object_attributes": note, "user": {"username": "ada"}, "merge_request": merge_request}
        payload = tmp_path / "payload.json"
        payload.write_text(json.dumps(told))
        project = forge.fake.project(forge.server.url)
        env = {
            "CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "trigger", "CI_SERVER_URL": project.web_url,
            "CI_API_V4_URL": project.api_url, "CI_PROJECT_PATH": project.repo, "CI_PROJECT_ID": "1",
            "TRIGGER_PAYLOAD": str(payload), "LOOM_GITLAB_TOKEN": forge.fake.full_token(),
        }  # fmt: skip
        ran = handle(job, env)
        assert ran.code == 0, ran.err
        assert len(forge.forge.inline(opened.number)) == 1


# -- ignore and resolve -----------------------------------------------------------------------------------------------


@pytest.fixture
def reviewed(forge: Rig, job: Path) -> Pull:
    """A pull request with one finding in a thread."""
    opened = forge.forge.open_pull(BAD, author="mallory")
    handle(job, env_of(forge, opened, job, write(forge, opened, "ada", "/loom review")))
    assert len(forge.forge.inline(opened.number)) == 1
    return opened


def fingerprint(forge: Rig, opened: Pull) -> str:
    foot = next(line for line in forge.forge.inline(opened.number)[0].body.split("\n") if line.startswith("*"))
    return foot.rpartition("`")[0].rpartition("`")[2]


def resolved(forge: Rig, opened: Pull) -> list[bool]:
    return [talk.resolved for talk in forge.forge.talks if talk.pull == opened.number]


def test_ignore_settles_the_thread_and_the_next_review_says_no_more(forge: Rig, reviewed: Pull, job: Path) -> None:
    said = write(forge, reviewed, "ada", f"/loom ignore {fingerprint(forge, reviewed)} the list is never shared")
    assert handle(job, env_of(forge, reviewed, job, said)).code == 0
    assert receipts(said) == ["+1"]
    assert resolved(forge, reviewed) == [True]
    handle(job, env_of(forge, reviewed, job, write(forge, reviewed, "ada", "/loom review")))
    assert len(forge.forge.inline(reviewed.number)) == 1
    assert resolved(forge, reviewed) == [True]
    assert "ignored by" in ours(forge, reviewed)[0]


def test_in_the_findings_thread_no_fingerprint_is_needed(forge: Rig, reviewed: Pull, job: Path) -> None:
    said = reply(forge, reviewed, "ada", "/loom resolve")
    assert handle(job, env_of(forge, reviewed, job, said)).code == 0
    assert receipts(said) == ["+1"]
    assert resolved(forge, reviewed) == [True]


def test_a_reader_ignores_nothing(forge: Rig, reviewed: Pull, job: Path) -> None:
    said = write(forge, reviewed, "mallory", f"/loom ignore {fingerprint(forge, reviewed)} please")
    handle(job, env_of(forge, reviewed, job, said))
    assert receipts(said) == ["-1"]
    assert resolved(forge, reviewed) == [False]


def test_a_fingerprint_that_is_none_is_answered(forge: Rig, reviewed: Pull, job: Path) -> None:
    said = write(forge, reviewed, "ada", "/loom ignore ffffffff")
    handle(job, env_of(forge, reviewed, job, said))
    assert receipts(said) == ["-1"]
    assert "`ffffffff` is no finding that is open here" in ours(forge, reviewed)[-1]


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_job_that_no_comment_started_is_told(job: Path) -> None:
    ran = handle(job, {})
    assert ran.code == 2
    assert "no CI job that a comment has started" in ran.err


def test_a_missing_token_is_named(forge: Rig, opened: Pull, job: Path) -> None:
    env = env_of(forge, opened, job, write(forge, opened, "ada", "/loom review"))
    del env["GITHUB_TOKEN"]
    ran = handle(job, env)
    assert ran.code == 2
    assert "LOOM_TOKEN" in ran.err
