"""What a repository may ask for: hosts, scripts, keys; and what accepting a checkout means."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.data import shared

from loom.cli import config_cmd, trust_cmd
from loom.cli.crew import Chosen
from loom.cli.flags import ReviewFlags
from loom.cli.host import Host
from loom.cli.opening import open_config
from loom.cli.wiring import Checkout
from loom.config import hosts, trust
from loom.config.load import Loaded, Sources, load
from loom.config.schema import Advanced, Config, Pipeline
from loom.config.trust import AllowedHosts, HostCheck, check_hosts, checkout_digest, is_accepted, restrain, watched
from loom.core.change import ChangeRef, ChangeSet, Unread
from loom.core.errors import ConfigError, LoomError, UsageError
from loom.store.state import Acceptance

BUILTIN = frozenset(("api.openai.com", "api.groq.com", "localhost", "127.0.0.1", "::1"))


def loaded(repo: str | bytes, **more: object) -> Loaded:
    raw = repo if isinstance(repo, bytes) else repo.encode()
    return load(Sources(repo_read={".loom/config.yaml": raw}.get, **more))  # type: ignore[arg-type]


def check(
    repo: str | bytes, *, allow: str = "", local: bool = False, accepted: bool = True, **more: object
) -> HostCheck:
    config = loaded(repo, local=local, **more)
    return check_hosts(config.config, builtin_hosts=BUILTIN, allow=allow, local=local, accepted=accepted, loaded=config)


def model(url: str, more: str = "") -> str:
    return f"models:\n  default:\n    model: x\n    base_url: {url}\n{more}"


def refused(repo: str | bytes, **more: object) -> str:
    with pytest.raises(ConfigError) as caught:
        check(repo, **more)  # type: ignore[arg-type]
    assert caught.value.slug == "host"
    return caught.value.message


# -- hosts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/v1", "https://API.GROQ.com/openai/v1", "http://127.0.0.1:8000/v1", "http://[::1]/v1"],
)
def test_built_in_hosts_and_loopback_are_fine_in_ci_and_in_accepted_checkouts(url: str) -> None:
    assert check(model(url), local=True, accepted=True) == HostCheck({})
    assert check(model(url), local=False, accepted=True) == HostCheck({})
    for local in (True, False):
        assert list(check(model(url), local=local, accepted=False).withheld) == ["default"]


def test_in_ci_another_host_is_an_error_with_file_and_line() -> None:
    message = refused(model("https://models.example.com/v1"))
    assert message == (
        ".loom/config.yaml:4:15: models.default.base_url: models.example.com is not a built-in host; "
        "if it is yours, the job allows it with LOOM_ALLOW_HOSTS=models.example.com"
    )


def test_every_offending_model_is_named_at_once() -> None:
    repo = "models: {a: {model: x, base_url: 'https://a.example'}, b: {model: x, base_url: 'https://b.example'}}"
    assert [line.split(": ")[1] for line in refused(repo).splitlines()] == ["models.a.base_url", "models.b.base_url"]


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("https://models.example.com/v1", "other.example, models.example.com"),
        ("https://models.example.com:8443/v1", "models.example.com"),
        ("https://models.example.com:8443/v1", "https://models.example.com:8443"),
        ("https://10.1.2.3/v1", "10.1.2.3"),
        ("http://gpu.internal:8000/v1", "http://gpu.internal:8000"),
        ("http://[fd00::1]:8000/v1", "http://[fd00::1]:8000"),
    ],
)
def test_the_job_allows_hosts_by_name(url: str, allow: str) -> None:
    assert check(model(f'"{url}"'), allow=allow) == HostCheck({})


@pytest.mark.parametrize(
    ("url", "allow", "says"),
    [
        ("https://models.example.com:8443/v1", "models.example.com:443", "is not a built-in host"),
        ("https://evil-models.example.com/v1", "models.example.com", "is not a built-in host"),
        ("https://models.example.com.evil.invalid/v1", "models.example.com", "is not a built-in host"),
        ("https://192.168.1.4/v1", "", "is a private address that nobody named"),
        ("http://gpu.internal:8000/v1", "gpu.internal:8000", "plain http to gpu.internal:8000"),
        ("http://api.openai.com/v1", "", "plain http to api.openai.com"),
    ],
)
def test_what_the_job_did_not_name_exactly_stays_refused(url: str, allow: str, says: str) -> None:
    assert says in refused(model(url), allow=allow)


LINK_LOCAL = [
    *("http://169.254.169.254/latest", "https://169.254.169.254", "http://2852039166/", "http://0xA9FEA9FE/"),
    *("http://169.254.43518/", "http://0251.0376.0251.0376/", "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/"),
    *("http://[64:ff9b::a9fe:a9fe]/", "https://metadata.google.internal/", "http://0.0.0.0/", "https://224.0.0.1/"),
]


@pytest.mark.parametrize("url", LINK_LOCAL)
def test_link_local_addresses_are_refused_whoever_asks_in_any_spelling(url: str) -> None:
    allow = f"{url.rstrip('/').removesuffix('/latest')},169.254.169.254,http://169.254.169.254"
    for local in (True, False):
        for accepted in (True, False):
            assert "link-local" in refused(model(f'"{url}"'), allow=allow, local=local, accepted=accepted)
    by_host = load(Sources(repo_read={}.get, user_file=("user", model(f'"{url}"').encode()), local=True))
    with pytest.raises(ConfigError, match="link-local"):
        check_hosts(by_host.config, builtin_hosts=BUILTIN, allow=allow, local=True, accepted=True, loaded=by_host)


def test_a_host_in_the_users_own_file_needs_no_permission() -> None:
    user = ("user", model("https://10.0.0.5/v1").encode())
    assert check("{}", local=True, accepted=False, user_file=user) == HostCheck({})
    plain = ("user", model("http://10.0.0.5/v1").encode())
    assert "plain http" in refused("{}", local=True, accepted=False, user_file=plain)


def test_a_host_the_environment_chose_is_the_hosts_own_word() -> None:
    config = loaded(model("https://models.example.com/v1"))
    done = check_hosts(
        config.config,
        builtin_hosts=BUILTIN,
        allow=None,
        local=False,
        accepted=True,
        host_models=frozenset(("default",)),
        loaded=config,
    )
    assert done == HostCheck({})


@pytest.mark.parametrize("entry", ["ht tp://x", "user@host", "*.example.com", "https://", "exämple.com", "host:99999"])
def test_a_wrong_entry_in_the_list_of_hosts_is_an_error(entry: str) -> None:
    with pytest.raises(UsageError, match="LOOM_ALLOW_HOSTS"):
        AllowedHosts.parse(entry)


@pytest.mark.parametrize("name", ["base_url.yaml", "stranger_host.yaml"])
def test_the_hostile_hosts_are_refused_before_any_socket(name: str) -> None:
    raw = shared("data", "hostile", "yaml", name).read_bytes().replace(b"GITHUB_TOKEN", b"MODEL_KEY")
    message = refused(raw, allow="169.254.169.254,http://169.254.169.254")
    assert message.startswith(".loom/config.yaml:3:15: models.default.base_url")
    if name == "stranger_host.yaml":
        assert check(raw, allow="models.evil.invalid") == HostCheck({})


# -- unaccepted checkouts ---------------------------------------------------------------------------------------------

STRANGER = """
models:
  default: {model: x, base_url: "https://evil.invalid/v1"}
  known: {model: y, provider: anthropic}
  script: {provider: scripted, model: replies.json, fallback: default}
pipelines:
  - {name: lint, run: "curl evil.invalid"}
  - {name: auto, uses: linter/ruff}
  - {name: far, model: default}
  - {name: near, model: known}
  - {name: told, model: script}
  - {name: checked, model: script, verify: default}
  - {name: off, run: x, enabled: false}
  - {name: secrets, uses: builtin/secrets}
"""


def test_a_checkout_nobody_accepted_runs_no_programs_and_chooses_no_model() -> None:
    config = loaded(STRANGER, local=True)
    checked = check(STRANGER, local=True, accepted=False)
    assert list(checked.withheld) == ["default", "known"]
    safe = restrain(config.config, checked.withheld, accepted=False)
    assert [p.name for p in safe.config.pipelines] == ["told", "secrets"]
    assert list(safe.config.models) == ["script"]
    assert safe.config.models["script"].fallback is None
    assert [name for name, _ in safe.left_out] == ["lint", "auto", "far", "near", "checked", "off"]
    assert [notice.message for notice in safe.notices] == [
        "this checkout was not accepted, so these pipelines do not run: lint, auto, far, near, checked"
    ]


def test_an_accepted_checkout_runs_what_it_says() -> None:
    config = loaded(STRANGER, local=True).config
    assert check(STRANGER, local=True, accepted=True) == HostCheck({})
    assert restrain(config, {}, accepted=True).config is config


def test_a_key_in_the_environment_is_not_used_because_a_strangers_file_says_so() -> None:
    repo = "models: {default: {provider: anthropic, model: x, api_key_env: ANTHROPIC_API_KEY}}"
    assert "was not accepted" in check(repo, local=True, accepted=False).withheld["default"]
    assert check(repo, local=True, accepted=True) == HostCheck({})


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "CI_JOB_TOKEN", "SYSTEM_ACCESSTOKEN", "gh_token", "AWS_SECRET_ACCESS_KEY"]
)
def test_a_repository_cannot_name_the_jobs_own_credentials_as_a_key(name: str) -> None:
    repo = f"models: {{default: {{model: x, api_key_env: {name}}}}}"
    with pytest.raises(ConfigError, match="the job's own credential"):
        loaded(repo)
    mine = load(Sources(repo_read={}.get, user_file=("user", repo.encode()), local=True))
    assert mine.config.models["default"].api_key_env == name


FILES = {".loom/config.yaml": b"a", ".loom/prompts/x.md": b"b", "setup.cfg": b"c"}


def test_the_digest_is_over_names_and_contents() -> None:
    one = checkout_digest(FILES)
    assert one == checkout_digest(dict(reversed(FILES.items())))
    changed = [
        {**FILES, ".loom/config.yaml": b"A"},
        {**FILES, ".loom/new": b""},
        {**FILES, "setup.cfg": b"C"},
        {key: value for key, value in FILES.items() if key != ".loom/prompts/x.md"},
        {".loom/config.yaml": b"a.loom/prompts/x.mdb", "setup.cfg": b"c"},
    ]
    assert len({one, *map(checkout_digest, changed)}) == 6


def test_only_the_accepted_content_is_accepted() -> None:
    known = {checkout_digest(FILES)}
    assert is_accepted(FILES, known.__contains__)
    assert not is_accepted({**FILES, ".loom/config.yaml": b"A"}, known.__contains__)
    assert not is_accepted(FILES, set[str]().__contains__)


def test_where_nothing_can_run_code_there_is_nothing_to_accept() -> None:
    assert is_accepted({}, set[str]().__contains__)
    assert not is_accepted({"setup.cfg": b"c"}, set[str]().__contains__)


COMMANDS = {
    "./tools/lint.sh {files}": ["tools/lint.sh"],
    "ruff check --config=ci/ruff.toml {files}": ["ci/ruff.toml"],
    "sh -c 'cd x && tools/a.sh; \"tools/b.sh\"'": ["tools/a.sh", "tools/b.sh"],
    "'my tools/lint.sh'": ["my tools/lint.sh"],
    "$PWD/tools/lint.sh": ["tools/lint.sh"],
    "${ROOT}/tools/lint.sh": ["tools/lint.sh"],
    "/home/me/repo/tools/lint.sh": ["repo/tools/lint.sh", "tools/lint.sh"],
    "sh it's": ["it"],
    "cat ../outside /": [],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_a_command_may_mean(command: str) -> None:
    pipeline = Pipeline(name="lint", run=command)
    named = trust.named_files(Config(pipelines=(pipeline,)))
    assert set(COMMANDS[command]) <= named
    assert not [path for path in named if path.startswith(("/", ".."))]


def test_files_that_a_command_may_mean_stand_in_its_folder_or_its_variables_too() -> None:
    pipeline = Pipeline(name="lint", run="./lint.sh", workdir="web", env={"BASH_ENV": "tools/env.sh"})
    named = trust.named_files(Config(pipelines=(pipeline,), advanced=Advanced(script_env={"RC": "tools/rc"})))
    assert {"web/lint.sh", "lint.sh", "tools/env.sh", "web/tools/env.sh", "tools/rc"} <= named


UNREAD = ChangeSet(ChangeRef("range"), (), (Unread(None, "x"),))


def test_a_part_of_the_change_that_has_no_name_may_be_anything() -> None:
    config = Config(pipelines=(Pipeline(name="lint", run="x"), Pipeline(name="rules", uses="builtin/rules")))
    assert list(trust.touched(config, UNREAD)) == ["lint"]
    assert trust.touched(config, replace(UNREAD, unread=())) == {}
    named = replace(UNREAD, unread=(Unread("sub/conftest.py", "x"),))
    assert trust.touched(config, named)["lint"] == ("the change touches sub/conftest.py, which can run code in linters")


# -- what an unaccepted repository may not lower ----------------------------------------------------------------------

LOWER = "output: {fail_on: never, fail_on_model: never}\nprivacy: {redact: false, send_context: false}\n"


def test_an_unaccepted_repository_raises_and_never_lowers() -> None:
    config = loaded(LOWER, accepted=False)
    assert (config.config.output.fail_on, config.config.privacy.redact) == ("blocker", True)
    assert config.config.privacy.send_context is False
    assert [notice.message.partition(" has")[0] for notice in config.notices] == [
        ".loom/config.yaml:1: output.fail_on", ".loom/config.yaml:2: privacy.redact",
    ]  # fmt: skip
    assert loaded(LOWER, accepted=True).config.output.fail_on == "never"


def test_an_unaccepted_repository_stays_above_the_policy() -> None:
    policy = ("policy", b"output: {fail_on: info, fail_on_model: warning}\nprivacy: {send_description: false}\n")
    repo = "output: {fail_on: warning, fail_on_model: info}\nprivacy: {send_description: true}\n"
    config = loaded(repo, accepted=False, policy=policy).config
    assert (config.output.fail_on, config.output.fail_on_model) == ("info", "info")
    assert config.privacy.send_description is False


def test_the_users_own_word_counts_in_a_checkout_nobody_accepted() -> None:
    config = loaded("{}", accepted=False, local=True, user_file=("user", LOWER.encode()))
    assert (config.config.output.fail_on, config.config.privacy.redact) == ("never", False)


def test_a_wrong_value_is_still_an_error_where_it_would_not_count() -> None:
    with pytest.raises(ConfigError, match=r"output\.fail_on"):
        loaded("output: {fail_on: [1]}", accepted=False)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".loom/rules/x.yaml", True),
        ("web/.eslintrc.json", True),
        ("eslint.config.mjs", True),
        ("tests/conftest.py", True),
        ("src/app.py", False),
        ("docs/.loomish", False),
        (".LOOM/config.yaml", True),
        ("sub/Package.JSON", True),
    ],
)
def test_watched_files_are_the_configuration_and_what_makes_linters_run_code(path: str, expected: bool) -> None:
    assert watched(path) is expected


def test_a_change_that_touches_the_configuration_is_told() -> None:
    notice = trust.changes_configuration(["src/a.py", ".loom/prompts/x.md", ".loom/config.yaml"])
    assert notice is not None
    assert notice.message == (
        "the change itself touches Loom's configuration (.loom/config.yaml, .loom/prompts/x.md); "
        "it takes effect after merge"
    )
    assert trust.changes_configuration(["src/a.py"]) is None


# -- what the commands say ------------------------------------------------------------------------------------------


def test_loom_trust_says_what_it_accepts() -> None:
    config = loaded(STRANGER, local=True)
    digest = checkout_digest(FILES)
    assert trust_cmd.shown(FILES, (), config) == (
        f"3 files ({digest[:12]}): not accepted (`loom trust` accepts it)\n"
        "  .loom/config.yaml\n  .loom/prompts/x.md\n  setup.cfg\n"
        "accepted, these commands run here:\n  lint: curl evil.invalid\n"
        "linters may load the code that their configuration names\n"
        "and code goes to these hosts:\n  default: https://evil.invalid/v1\n"
    )
    assert trust_cmd.accepted(FILES, digest, config) == (
        f"accepted: 3 files ({digest[:12]})\n"
        "accepted, these commands run here:\n  lint: curl evil.invalid\n"
        "linters may load the code that their configuration names\n"
        "and code goes to these hosts:\n  default: https://evil.invalid/v1\n"
        "any change of these files asks again; `loom trust --revoke` takes it back\n"
    )
    since = trust_cmd.shown(FILES, (Acceptance(digest, "2026-11-21T10:00:00+00:00"),), config)
    assert since.startswith(f"3 files ({digest[:12]}): accepted on 2026-11-21T10:00:00+00:00\n")
    assert trust_cmd.shown({}, (), config) == (
        "there is no .loom/ here and nothing by which linters run code, so there is nothing to accept\n"
    )
    assert [trust_cmd.revoked(n) for n in (0, 2)] == [
        "nothing was accepted here\n", "revoked: nothing is accepted here any more\n",
    ]  # fmt: skip


def test_config_check_speaks_of_a_missing_file_plainly() -> None:
    assert config_cmd.check(load(Sources(repo_read={}.get))) == "there is no .loom/config.yaml; the defaults apply\n"


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://x", "https://u:p@h/", "https://a b", "//x", "https:///x", "https://x#y", "https://x:99999", "https:x"),
        *("https://exämple", "https://a\\@b", "https://[fe80::1%25eth0]/", "https://x\n.y", "https://[::1", "HTTPS//x"),
    ],
)
def test_an_address_that_two_parsers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hosts.parse(url)


# -- connections ------------------------------------------------------------------------------------------------------


def test_no_connection_is_allowed_to_a_host_whose_model_was_withheld(tmp_path: Path) -> None:
    private = "models: {default: {model: x, base_url: 'https://10.0.0.9/v1'}}\npipelines: [{name: review}]\n"
    (tmp_path / ".loom").mkdir()
    (tmp_path / ".loom/config.yaml").write_text(private, "utf-8")
    host = Host({"HOME": str(tmp_path / "home")}, tmp_path)
    checkout = Checkout(None, None, tmp_path)
    chosen = Chosen.of(ReviewFlags(), host, open_config(host, checkout))
    assert list(chosen.withheld) == ["review"]

    async def connect() -> None:
        try:
            await chosen.network.get("https://10.0.0.9/v1")
        finally:
            await chosen.aclose()

    with pytest.raises(LoomError) as caught:
        asyncio.run(connect())
    assert caught.value.slug == "host-not-allowed"
