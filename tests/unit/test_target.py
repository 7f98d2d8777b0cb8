"""Which pull request is meant, which token goes to which host, which hosts may be called, and who refuses what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.cli import forks, target, wiring
from loom.cli.flags import ReviewFlags
from loom.cli.host import Host
from loom.core.errors import UsageError
from loom.platforms.ci_context import CiContext
from loom.platforms.values import PullRequest

TOKEN = "tok_0123456789abcdef"
ACTIONS = {
    "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octo/demo", "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_API_URL": "https://api.github.com", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_SHA": "a" * 40,
}  # fmt: skip
ENTERPRISE = ACTIONS | {"GITHUB_SERVER_URL": "https://ghe.corp", "GITHUB_API_URL": "https://ghe.corp/api/v3"}
GITLAB = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_PATH": "a/b", "CI_SERVER_URL": "https://gitlab.corp"}
PUBLIC, OWN, EVIL = "https://github.com/o/d/pull/1", "https://ghe.corp/o/d/pull/1", "https://evil.example/o/d/pull/1"


def found(environ: dict[str, str], **flags: str) -> target.Target:
    made = target.find(ReviewFlags(**flags), Host(environ, Path("/nowhere")), None)  # type: ignore[arg-type]  # texts only
    assert made is not None
    return made


# -- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        # a person's machine: public hosts, and those that are named
        ({"LOOM_TOKEN": TOKEN}, PUBLIC, "LOOM_TOKEN"),
        ({"GITHUB_TOKEN": TOKEN}, PUBLIC, "GITHUB_TOKEN"),
        ({"GITHUB_TOKEN": TOKEN, "LOOM_TOKEN": TOKEN}, PUBLIC, "LOOM_TOKEN"),
        ({"GITLAB_TOKEN": TOKEN}, PUBLIC, None),
        ({"LOOM_TOKEN": TOKEN}, EVIL, None),
        ({"GITHUB_TOKEN": TOKEN}, EVIL, None),
        ({"LOOM_TOKEN": TOKEN, "LOOM_PLATFORM_URL": "https://ghe.corp"}, OWN, "LOOM_TOKEN"),
        ({"GH_TOKEN": TOKEN, "LOOM_PLATFORM_URL": "https://ghe.corp/api/v3"}, OWN, "GH_TOKEN"),
        ({"LOOM_TOKEN": TOKEN, "LOOM_PLATFORM_URL": "https://ghe.corp"}, EVIL, None),
        ({"LOOM_TOKEN": TOKEN, "LOOM_ALLOW_HOSTS": "ghe.corp"}, OWN, "LOOM_TOKEN"),
        ({"LOOM_TOKEN": TOKEN, "LOOM_ALLOW_HOSTS": "ghe.corp"}, OWN.replace("https", "http"), None),
        ({"LOOM_TOKEN": TOKEN, "LOOM_PLATFORM_URL": "https://ghe.corp"}, OWN.replace("https", "http"), None),
        ({"LOOM_TOKEN": TOKEN, "LOOM_PLATFORM_URL": "https://ghe.corp"}, OWN.replace("corp", "corp:8443"), None),
        # in a job: its own platform; only what was set on purpose goes to another public one
        (ACTIONS | {"GITHUB_TOKEN": TOKEN}, PUBLIC, "GITHUB_TOKEN"),
        (ENTERPRISE | {"GITHUB_TOKEN": TOKEN}, OWN, "GITHUB_TOKEN"),
        (ENTERPRISE | {"GITHUB_TOKEN": TOKEN}, PUBLIC, None),
        (ENTERPRISE | {"LOOM_TOKEN": TOKEN}, PUBLIC, "LOOM_TOKEN"),
        (ENTERPRISE | {"GITHUB_TOKEN": TOKEN}, EVIL, None),
        (ENTERPRISE | {"LOOM_TOKEN": TOKEN}, EVIL, None),
        (GITLAB | {"GITHUB_TOKEN": TOKEN}, PUBLIC, "GITHUB_TOKEN"),
        (GITLAB | {"CI_JOB_TOKEN": TOKEN}, "https://gitlab.corp/a/b/-/merge_requests/1", "CI_JOB_TOKEN"),
        (GITLAB | {"CI_JOB_TOKEN": TOKEN}, "https://gitlab.com/a/b/-/merge_requests/1", None),
    ],
)
def test_a_token_goes_to_the_host_it_is_meant_for(environ: dict[str, str], url: str, expected: str | None) -> None:
    made = found(environ, pr=url)
    assert (made.token.variable if made.token else None) == expected
    assert TOKEN not in repr(made)


@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}(:[1-9][0-9]{0,3})?", fullmatch=True), st.booleans())
def test_whatever_the_url_no_token_goes_to_a_host_that_nobody_named(host: str, plain: bool) -> None:
    environ = {"LOOM_TOKEN": TOKEN, "GITHUB_TOKEN": TOKEN, "LOOM_PLATFORM_URL": "https://git.corp.example"}
    for environment in (environ, ENTERPRISE | environ):
        made = found(environment, pr=f"{'http' if plain else 'https'}://{host}/o/d/pull/1")
        named = {"https://git.corp.example", "https://github.com", "https://ghe.corp"}
        assert made.token is None or f"{'http' if plain else 'https'}://{host}" in named


def test_a_token_that_was_not_used_is_named() -> None:
    notice = target.withheld_notice(found({"LOOM_TOKEN": TOKEN}, pr=EVIL))
    assert notice is not None
    assert "LOOM_TOKEN was not sent to https://evil.example" in notice.message
    assert TOKEN not in f"{notice}"


def test_a_token_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError, match="LOOM_TOKEN holds no usable token") as caught:
        found({"LOOM_TOKEN": "abc\ndef-secret"}, pr=PUBLIC)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


# -- hosts ------------------------------------------------------------------------------------------------------------


def test_only_the_platforms_own_hosts_may_be_called() -> None:
    host = Host(ENTERPRISE, Path("/nowhere"))
    rules = target.network(found(ENTERPRISE), host, offline=False).settings.rules
    for url in ("https://ghe.corp/api/v3/user", "https://api.github.com/user"):
        rules.check(url)
    for url in ("https://evil.example/", "http://ghe.corp/", "https://ghe.corp:8443/", "https://169.254.169.254/"):
        with pytest.raises(Exception, match=r"not an allowed host|without encryption|link-local"):
            rules.check(url)


def test_data_residency_hosts_are_githubs() -> None:
    made = found({"GITHUB_TOKEN": TOKEN}, pr="https://acme.ghe.com/o/d/pull/1")
    assert made.token is not None
    target.network(made, Host({}, Path("/nowhere")), offline=False).settings.rules.check("https://api.acme.ghe.com/x")


def test_every_usual_variable_for_certificates_counts_and_the_first_file_wins(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CI_SERVER_TLS_CA_FILE"):
        assert wiring.ca_bundle(Host({name: "ca.pem"}, tmp_path)) == str(tmp_path / "ca.pem")
        assert wiring.ca_bundle(Host({name: "gone.pem"}, tmp_path)) is None
    both = {"LOOM_CA_BUNDLE": "own.pem", "SSL_CERT_FILE": "ca.pem"}
    assert wiring.ca_bundle(Host(both, tmp_path)) == str(tmp_path / "own.pem")


# -- which one --------------------------------------------------------------------------------------------------------


def test_the_jobs_own_pull_request_is_the_default() -> None:
    made = found(ACTIONS)
    assert (made.project.repo, made.number) == ("octo/demo", 7)


def test_a_number_in_a_job_is_one_of_its_repository() -> None:
    made = found(ACTIONS, pr="9")
    assert (made.project.api_url, made.project.repo, made.number) == ("https://api.github.com", "octo/demo", 9)


def test_what_the_event_says_of_another_pull_request_is_left_out_but_its_rights_stay() -> None:
    job = found(ACTIONS, pr="9").job
    assert job is not None
    assert (job.number, job.head_sha, job.fork) == (9, None, None)
    assert job.privileged is False


def test_an_address_that_is_reached_otherwise_is_corrected_by_a_variable() -> None:
    gitea = ACTIONS | {"GITEA_ACTIONS": "true", "GITHUB_SERVER_URL": "http://inside:3000", "GITHUB_TOKEN": TOKEN}
    gitea["GITHUB_API_URL"] = "http://inside:3000/api/v1"
    made = found(gitea | {"LOOM_PLATFORM_URL": "https://git.corp"})
    assert (made.project.api_url, made.project.web_url) == ("https://git.corp/api/v1", "https://git.corp")
    assert made.token is not None


def test_a_number_needs_to_know_where() -> None:
    with pytest.raises(UsageError, match="which repository is not known") as caught:
        found({}, pr="7")
    assert "--platform and --platform-url and --repo" in caught.value.hint
    made = found({}, pr="#7", platform="gitlab", repo="a/b/c")
    assert made.project.api_url == "https://gitlab.com/api/v4"


def test_outside_of_ci_nothing_is_found_without_a_flag() -> None:
    environ = {name: value for name, value in ACTIONS.items() if name != "CI"}
    assert target.find(ReviewFlags(), Host(environ, Path("/nowhere")), None) is None


# -- forks ------------------------------------------------------------------------------------------------------------


def pull(*, fork: bool) -> PullRequest:
    return PullRequest(
        number=7, title="", body="", author="x", author_is_bot=False, draft=False, open=True, labels=(),
        source_branch="t", target_branch="main", head_sha="a" * 40, base_sha="b" * 40, merge_base=None, fork=fork,
        source_repo="x/d", changed_files=1, web_url="",
    )  # fmt: skip


def job(*, privileged: bool) -> CiContext:
    harmless = () if privileged else ("GITHUB_TOKEN",)
    project = found(ACTIONS).project
    return CiContext(ci="x", project=project, event="pr", privileged=privileged, harmless=harmless)


@pytest.mark.parametrize(
    ("fork", "privileged", "environ", "programs", "no_secrets"),
    [
        (False, True, {"OPENAI_API_KEY": TOKEN}, True, False),
        (True, True, {}, False, False),
        (True, False, {"GITHUB_TOKEN": TOKEN}, True, True),
        (True, False, {"GITHUB_TOKEN": TOKEN, "OPENAI_API_KEY": TOKEN}, False, False),
    ],
)
def test_programs_and_secrets_never_meet_over_a_forks_change(
    fork: bool, privileged: bool, environ: dict[str, str], programs: bool, no_secrets: bool
) -> None:
    follows = forks.stranger(job(privileged=privileged), pull(fork=fork), environ)
    assert (follows.programs is None) is programs
    assert follows.no_secrets is no_secrets
