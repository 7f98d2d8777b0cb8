"""What a job's variables and event say about its pull request: one file of tests/cases/ci per CI and event.

A case is `{"about", "env", "event", "expected"}`. A variable that names `event.json` finds `event` there. `expected`
has the fields of CiContext that matter (null: nothing is detected); `harmless_variables` and `harmful_variables` name
variables that a stranger's job is, or is not, given as well.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.core.errors import UsageError
from loom.platforms import address, ci
from loom.platforms.ci_context import same_commit

CASES = sorted((Path(__file__).parent.parent / "cases" / "ci").glob("*.json"))


def detected(environ: dict[str, str], event: object = None) -> ci.CiContext | None:
    return ci.detect(environ, lambda path: json.dumps(event).encode() if path == "event.json" and event else None)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_ci_and_event_is_understood(path: Path) -> None:
    case = json.loads(path.read_text())
    found, expected = detected(case["env"], case.get("event")), case["expected"]
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert all(found.is_harmless(name) for name in expected.pop("harmless_variables", []))
    assert not any(found.is_harmless(name) for name in expected.pop("harmful_variables", []))
    assert reduced(asdict(found), expected) == expected


def reduced(value: Any, like: Any) -> Any:
    """The parts of a value that `like` speaks of."""
    if isinstance(like, dict) and isinstance(value, dict):
        return {key: reduced(value.get(key), inner) for key, inner in like.items()}
    return list(value) if isinstance(value, tuple) else value


def test_every_row_of_the_table_has_a_case() -> None:
    seen = {found.ci for path in CASES if (found := _of(path)) is not None}
    assert seen == {row.name for row in ci.TABLE}


def _of(path: Path) -> ci.CiContext | None:
    case = json.loads(path.read_text())
    return detected(case["env"], case.get("event"))


@pytest.mark.parametrize("variable", ["GITHUB_SERVER_URL", "GITHUB_API_URL"])
def test_an_address_that_is_none_names_its_variable(variable: str) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octo/demo", variable: "git.corp.example"}
    with pytest.raises(UsageError, match=variable):
        detected(environ)


def test_a_password_in_an_address_is_not_repeated() -> None:
    environ = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "a/b", "CI_SERVER_URL": "https://me:hunter2hunter2@git.example"}
    with pytest.raises(UsageError) as caught:
        detected(environ)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["number", "pull_request", "head", "base", "sha", "repo", "comment", "issue", "user", "labels"]
            )
            | st.sampled_from(["workflow_run", "merge_group", "pull_requests", "id", "full_name", "object_attributes"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    JSON,
    st.sampled_from(
        ["pull_request", "pull_request_target", "issue_comment", "workflow_run", "merge_group", "push", "release"]
    ),
)
def test_no_payload_breaks_the_detection(event: object, name: str) -> None:
    environ = {
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octo/demo", "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": "event.json",
    }  # fmt: skip
    found = ci.detect(environ, lambda _: json.dumps(event).encode())
    assert found is not None
    assert found.number is None or found.number > 0
    assert found.number is not None or found.why_no_number
    assert found.privileged == (name != "pull_request")


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "platform", "api", "repo", "number"),
    [
        ("https://github.com/octo/demo/pull/7", "github", "https://api.github.com", "octo/demo", 7),
        ("https://github.com/octo/demo/pull/7/files#diff-1", "github", "https://api.github.com", "octo/demo", 7),
        ("https://ghe.corp.example/o/d/pull/7", "github", "https://ghe.corp.example/api/v3", "o/d", 7),
        ("https://acme.ghe.com/o/d/pull/7", "github", "https://api.acme.ghe.com", "o/d", 7),
        ("https://gitlab.com/a/b/c/-/merge_requests/12/diffs", "gitlab", "https://gitlab.com/api/v4", "a/b/c", 12),
        ("https://git.corp.example/a/b/-/merge_requests/1?x=1", "gitlab", "https://git.corp.example/api/v4", "a/b", 1),
        ("https://codeberg.org/o/d/pulls/3", "forgejo", "https://codeberg.org/api/v1", "o/d", 3),
        ("https://git.corp.example/sub/o/d/pulls/3", "gitea", "https://git.corp.example/sub/api/v1", "o/d", 3),
        ("http://127.0.0.1:3000/o/d/pulls/3/files", "gitea", "http://127.0.0.1:3000/api/v1", "o/d", 3),
    ],
)
def test_a_pull_requests_url_says_it_all(url: str, platform: str, api: str, repo: str, number: int) -> None:
    found = address.parse_pull(url)
    assert (found.project.platform, found.project.api_url, found.project.repo, found.number) == (
        platform, api, repo, number,
    )  # fmt: skip


def test_a_platform_below_a_path_is_recognised_by_its_known_root() -> None:
    url = "https://corp.example/gitlab/shop/cart/-/merge_requests/4"
    found = address.parse_pull(url, root="https://corp.example/gitlab")
    assert (found.project.repo, found.project.web_url) == ("shop/cart", "https://corp.example/gitlab")


@pytest.mark.parametrize(
    "url", ["https://github.com/octo/demo", "https://github.com/octo/demo/pull/x", "ftp://github.com/o/d/pull/7",
            "https://github.com/pull/7", "https://u:p4ssw0rd@github.com/o/d/pull/7"],
)  # fmt: skip
def test_another_address_is_refused_with_the_shapes_that_are_known(url: str) -> None:
    with pytest.raises(UsageError, match="--pr") as caught:
        address.parse_pull(url)
    assert caught.value.hint
    assert "p4ssw0rd" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/octo/demo.git", ("https://github.com", "octo/demo")),
        ("git@gitlab.example.com:a/b/c.git", ("https://gitlab.example.com", "a/b/c")),
        ("ssh://git@git.corp.example:2222/o/d.git", ("https://git.corp.example", "o/d")),
        ("http://localhost:3000/o/d", ("http://localhost:3000", "o/d")),
        ("https://user:secret@github.com/octo/demo", ("https://github.com", "octo/demo")),
        ("/srv/git/demo.git", None),
        ("file:///srv/git/demo.git", None),
    ],
)
def test_a_remotes_address_tells_project_and_host(remote: str, expected: tuple[str, str] | None) -> None:
    assert address.parse_remote(remote) == expected


def test_a_mistyped_platform_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='Did you mean "gitlab"'):
        address.row("gitlap")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [("a" * 40, "a" * 40, True), ("a" * 12, "a" * 40, True), ("a" * 6, "a" * 40, False), ("a" * 40, "b" * 40, False)],
)
def test_shortened_ids_mean_the_same_commit(a: str, b: str, *, same: bool) -> None:
    assert same_commit(a, b) is same
