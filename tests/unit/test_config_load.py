"""Layers, precedence, policy, fetching: what the effective configuration is and who set it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import cases, shared

from loom.cli.config_cmd import show
from loom.config.load import Flag, Loaded, Sources, load
from loom.config.nodes import Origin, from_setting, merge, settled
from loom.config.schema import Config
from loom.core.errors import ConfigError, SourceError


def effective(
    repo: str | None = None,
    *,
    files: Mapping[str, str] | None = None,
    user: str | None = None,
    policy: str | None = None,
    flags: Mapping[str, Flag] | None = None,
    environ: Mapping[str, str] | None = None,
    local: bool = True,
    **more: object,
) -> Loaded:
    tree = {path: text.encode() for path, text in (files or {}).items()}
    if repo is not None:
        tree[".loom/config.yaml"] = repo.encode()
    return load(
        Sources(
            repo_read=tree.get,
            user_file=("~/.config/loom/config.yaml", user.encode()) if user is not None else None,
            policy=("policy.yaml", policy.encode()) if policy is not None else None,
            flags=flags or {},
            environ=environ or {},
            local=local,
            **more,  # type: ignore[arg-type]
        )
    )


def refused(*args: object, **kwargs: object) -> str:
    with pytest.raises(ConfigError) as caught:
        effective(*args, **kwargs)  # type: ignore[arg-type]
    return caught.value.message


def test_without_any_file_the_defaults_apply() -> None:
    loaded = effective()
    assert loaded.config == Config()
    assert not loaded.has_file
    assert loaded.origins == {}
    assert loaded.notices == ()


def test_flags_win_over_user_over_repository_over_policy() -> None:
    def output(value: str) -> str:
        return f"output: {{fail_on: {value}}}"

    flag = {"output.fail_on": Flag("--fail-on", "never")}
    layers = {"policy": output("warning"), "repo": output("info"), "user": output("blocker"), "flags": flag}
    order = [("flags", "never", "--fail-on"), ("user", "blocker", "~/.config/loom/config.yaml:1")]
    order += [("repo", "info", ".loom/config.yaml:1"), ("policy", "warning", "policy.yaml:1")]
    for name, value, origin in order:
        loaded = effective(**layers)  # type: ignore[arg-type]
        assert (loaded.config.output.fail_on, loaded.origins["output.fail_on"]) == (value, origin)
        del layers[name]
    assert effective(**layers).config.output.fail_on == "blocker"  # type: ignore[arg-type]


def test_the_users_file_counts_in_local_runs_only() -> None:
    user = "output: {fail_on: never}"
    assert effective(user=user, local=False).config.output.fail_on == "blocker"
    assert effective(user=user, local=True).config.output.fail_on == "never"


def test_a_users_model_replaces_the_repositorys_whole() -> None:
    repo = "models: {default: {model: a, api_key_env: TEAM_KEY, headers: {X-Team: t}}, other: {model: b}}"
    config = effective(repo, user="models: {default: {provider: ollama, model: q}}").config
    assert config.models["default"].api_key_env is None
    assert config.models["default"].headers == {}
    assert config.models["other"].model == "b"


def test_lists_replace_and_plus_appends_in_every_layer() -> None:
    repo = "triggers: {ignore_paths: [a]}"
    assert effective(repo, user="triggers: {ignore_paths: [b]}").config.triggers.ignore_paths == ("b",)
    loaded = effective(repo, user="triggers: {ignore_paths+: [b]}")
    assert loaded.config.triggers.ignore_paths == ("a", "b")
    assert loaded.origins["triggers.ignore_paths[1]"] == "~/.config/loom/config.yaml:1"
    assert effective(user="triggers: {ignore_paths+: [b]}").config.triggers.ignore_paths == ("b",)


def test_plus_on_what_is_no_list_is_an_error() -> None:
    assert "only lists can be appended to with `+`" in refused("output: {fail_on+: warning}")


def test_another_prompt_replaces_the_one_below() -> None:
    files = {".loom/base.yaml": "pipelines: [{name: own, prompt: old}]", ".loom/prompts/own.md": "new"}
    config = effective(
        "extends: ./base.yaml\npipelines: [{name: own, prompt_file: prompts/own.md}]", files=files
    ).config
    assert (config.pipelines[0].prompt, config.pipelines[0].prompt_file) == (None, "prompts/own.md")


def test_an_overridden_mistake_is_still_a_mistake() -> None:
    message = refused("output: {fail_on: nevr}", flags={"output.fail_on": Flag("--fail-on", "never")})
    assert message.startswith(".loom/config.yaml:1:19: output.fail_on:")


def test_a_wrong_flag_is_told_by_its_name() -> None:
    message = refused(flags={"budget.max_cost": Flag("--max-cost", -1)})
    assert message == "--max-cost: budget.max_cost: found -1; must be at least 0"


def test_mistakes_of_all_files_are_told_at_once() -> None:
    message = refused("triggers: {drafts: 1}", user="cache: {ttl_days: 0}", policy="lock: [ouput.fail_on]")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "policy.yaml",
        ".loom/config.yaml",
        "~/.config/loom/config.yaml",
    ]


def test_a_file_called_config_yml_is_found_too() -> None:
    loaded = effective(files={".loom/config.yml": "triggers: {drafts: true}"})
    assert loaded.origins["triggers.drafts"] == ".loom/config.yml:1"


def test_a_named_configuration_must_exist() -> None:
    assert refused(config_name="ci/loom.yaml") == "ci/loom.yaml: there is no such configuration file"
    loaded = effective(files={"ci/loom.yaml": "triggers: {drafts: true}"}, config_name="ci/loom.yaml")
    assert loaded.config.triggers.drafts


def test_a_file_of_the_host_takes_the_place_of_the_repositorys() -> None:
    loaded = effective("triggers: {drafts: true}", host_file=("/etc/loom.yaml", b"triggers: {min_changes: 3}"))
    assert (loaded.config.triggers.drafts, loaded.config.triggers.min_changes) == (False, 3)
    assert loaded.layer(("triggers", "min_changes")) == "host"


# -- policy ---------------------------------------------------------------------------------------------------------


def test_a_locked_key_cannot_be_overridden_by_anyone() -> None:
    policy = "lock: [output.fail_on, privacy, models]\noutput: {fail_on: warning}\nmodels: {default: {model: house}}"
    loaded = effective(
        "output: {fail_on: never, group_by: file}\nprivacy: {redact: false}\nmodels: {mine: {model: x}}",
        user="output: {fail_on: never}",
        policy=policy,
        flags={"output.fail_on": Flag("--fail-on", "never")},
    )
    assert loaded.config.output.fail_on == "warning"
    assert loaded.config.output.group_by == "file"
    assert loaded.config.privacy.redact is True
    assert list(loaded.config.models) == ["default"]
    assert loaded.locked == {"output.fail_on", "privacy", "models"}
    assert [notice.message for notice in loaded.notices] == [
        "--fail-on: output.fail_on is locked by the organisation's policy; its value stays",
        ".loom/config.yaml:2: privacy is locked by the organisation's policy; its value stays",
        ".loom/config.yaml:3: models is locked by the organisation's policy; its value stays",
    ]
    assert "fail_on: warning  # policy.yaml:2 (locked)" in show(loaded)


def test_a_lock_must_name_a_key() -> None:
    message = refused(policy="lock: [output.fial_on, 4]")
    assert 'policy.yaml:1:8: lock: found "output.fial_on"' in message
    assert 'Did you mean "fail_on"?' in message
    assert "policy.yaml:1:24: lock: found 4" in message


def test_lock_is_a_key_of_policies_only() -> None:
    assert 'unknown key "lock"' in refused("lock: [models]")


# -- extends --------------------------------------------------------------------------------------------------------

REMOTE = b"triggers: {max_files: 7}\n"
PIN = f"https://example.com/base.yaml#sha256={hashlib.sha256(REMOTE).hexdigest()}"


def test_a_pinned_address_is_fetched_and_checked() -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return REMOTE

    loaded = effective(f"extends: {PIN}", fetch=fetch)
    assert asked == ["https://example.com/base.yaml"]
    assert loaded.config.triggers.max_files == 7
    assert loaded.origins["triggers.max_files"] == "https://example.com/base.yaml:1"


def test_content_with_another_hash_is_refused() -> None:
    message = refused(f"extends: {PIN}", fetch=lambda url: REMOTE + b"# changed\n")
    assert message.startswith(".loom/config.yaml:1:10: extends: https://example.com/base.yaml:")
    assert "that is pinned" in message


def test_what_cannot_be_fetched_is_told() -> None:
    def broken(url: str) -> bytes:
        raise SourceError("the server answered 404")

    assert "the server answered 404" in refused(f"extends: {PIN}", fetch=broken)
    assert "offline" in refused(f"extends: {PIN}")


def test_nothing_is_fetched_for_a_checkout_that_was_not_accepted() -> None:
    def fetch(url: str) -> bytes:
        raise AssertionError(url)

    loaded = effective(f"extends: {PIN}", fetch=fetch, accepted=False)
    assert loaded.notices[0].slug == "untrusted-checkout"
    assert effective(user=f"extends: {PIN}", fetch=lambda url: REMOTE, accepted=False).config.triggers.max_files == 7


def test_a_fetched_file_cannot_reach_into_the_repository() -> None:
    remote = b"extends: ./secret.yaml\n"
    pin = f"https://example.com/x.yaml#sha256={hashlib.sha256(remote).hexdigest()}"
    files = {".loom/secret.yaml": "triggers: {drafts: true}"}
    assert "only a file of the repository can extend ./…" in refused(
        f"extends: {pin}", files=files, fetch=lambda _: remote
    )


def test_a_configuration_of_endless_files_is_given_up() -> None:
    files = {f".loom/{n}.yaml": f"extends: [./{n + 1}.yaml]" for n in range(100)}
    assert "at most 30 files" in refused("extends: ./0.yaml", files=files)


# -- the whole ------------------------------------------------------------------------------------------------------


def test_a_server_on_loopback_waits_longer_and_is_asked_less_at_once() -> None:
    models = effective(
        "models: {a: {provider: ollama, model: q}, b: {base_url: 'http://127.0.0.1:8000/v1', model: q, timeout: 5},"
        " c: {base_url: 'https://api.groq.com/openai/v1', model: q}}"
    ).config.models
    assert [(m.timeout, m.max_concurrency) for m in models.values()] == [(600, 2), (5, 2), (120, 8)]


def test_the_digest_changes_with_what_is_configured_and_with_nothing_else() -> None:
    one = effective("output: {fail_on: warning}\ntriggers: {drafts: true}").digest
    assert one == effective("# a comment\ntriggers:\n  drafts: true\noutput:\n  fail_on: warning\n").digest
    assert one != effective("output: {fail_on: info}\ntriggers: {drafts: true}").digest
    assert len(one) == 16
    assert effective("").digest == effective().digest


def test_a_credential_from_a_variable_is_neither_shown_nor_hashed() -> None:
    repo = "models: {default: {model: x, headers: {Authorization: 'Bearer ${GATE}'}}}"
    first = effective(repo, environ={"LOOM_CONFIG_VARS": "GATE", "GATE": "hunter2hunter2"})
    second = effective(repo, environ={"LOOM_CONFIG_VARS": "GATE", "GATE": "other-secret"})
    assert first.config.models["default"].headers == {"Authorization": "Bearer hunter2hunter2"}
    assert first.digest == second.digest
    assert "hunter2" not in show(first)


@pytest.mark.parametrize("name", ["LOOM_API_KEY", "LOOM_STATE_KEY", "LOOM_TOKEN", "LOOM_X_SECRET"])
def test_looms_own_secrets_are_never_read_even_when_named(name: str) -> None:
    environ = {"LOOM_CONFIG_VARS": name, name: "s3cr3t-value"}
    assert "may not be read" in refused(f"output: {{language: '${{{name}}}'}}", environ=environ)


REFUSED = {"shadow.yaml": "2:82", "literal_key.yaml": "4:18", "base_url.yaml": "5:18", "paths.yaml": "3:18"}
READ = {"bom.yaml", "cmd.yaml", "stranger_host.yaml"}  # stranger_host: refused by test_trust, where hosts are known


@pytest.mark.parametrize("path", cases("hostile/yaml", "*.yaml"), ids=lambda p: p.name)
def test_hostile_configurations_are_refused_with_file_and_line(path) -> None:  # type: ignore[no-untyped-def]
    text = shared("data", "hostile", "yaml", path.name).read_bytes()
    sources = Sources(repo_read={".loom/config.yaml": text}.get, environ={"GITHUB_TOKEN": "ghs_secret"})
    if path.name in READ:
        assert load(sources).config.pipelines
        return
    with pytest.raises(ConfigError) as caught:
        load(sources)
    first = str(caught.value.problems[0])
    assert first.startswith(f".loom/config.yaml:{REFUSED.get(path.name, '')}")
    assert caught.value.problems[0].line > 0
    assert caught.value.exit_code == 2
    assert "ghs_secret" not in caught.value.message
    assert "A1b2C3d4" not in caught.value.message


def test_show_prints_yaml_that_reads_back_as_the_same_configuration() -> None:
    repo = """
models: {default: {model: "odd: name #1", price: {input: 1, output: 2.5}}}
pipelines:
  - {name: a, prompt: "line\\nline # not a comment", instructions: [{paths: ["*.py"], text: "yes"}]}
  - {name: b, min_confidence: 0.5, run: "tool --x=\\"y\\"", env: {A: "1"}, severity_map: {"2": blocker, E: info}}
triggers: {ignore_titles: ["^WIP:", "true"], branches: [main, "release/*"]}
"""
    loaded = effective(repo)
    again = effective(show(loaded))
    assert again.config == loaded.config
    assert again.digest == loaded.digest


# A key has one kind, as in the schema: `s` is a number, `l` a list, `m` a mapping of the same.
LEAVES = {
    "s": st.integers(0, 9),
    "l": st.lists(st.integers(0, 9), max_size=2),
    "l+": st.lists(st.integers(0, 9), max_size=2),
}
TREES = st.recursive(
    st.fixed_dictionaries({}, optional=LEAVES),
    lambda inner: st.fixed_dictionaries({}, optional={**LEAVES, "m": inner}),
    max_leaves=6,
)


@given(TREES, TREES, TREES)
def test_merging_layers_does_not_depend_on_how_they_are_grouped(a: object, b: object, c: object) -> None:
    low, mid, high = (from_setting("x", tree, Origin("flag", "t")) for tree in (a, b, c))
    assert settled(merge(merge(low, mid), high)).plain() == settled(merge(low, merge(mid, high))).plain()


@given(TREES.filter(lambda tree: "l+" not in str(tree)))
def test_merging_a_layer_over_itself_changes_nothing(tree: object) -> None:
    node = from_setting("x", tree, Origin("flag", "t"))
    assert merge(node, node).plain() == node.plain()


@given(st.text(max_size=60))
def test_any_text_in_a_value_is_taken_or_told(text: str) -> None:
    flags = {"models": Flag("--x", {"default": {"model": text, "base_url": text, "api_key_env": text}})}
    try:
        effective(flags=flags)
    except ConfigError as error:
        assert all("--x" in str(problem) for problem in error.problems)  # noqa: PT017 - most texts are refused
