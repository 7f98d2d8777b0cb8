"""Which model reviews, and which pipelines run, when the configuration leaves it open."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from loom.config.choice import DEFAULT_MODELS_AS_OF, VENDORS, Choice, Detected, choose, wants_detection
from loom.config.load import Loaded, Sources, load
from loom.core.errors import UsageError

ANALYZERS = ["secrets", "unicode", "hygiene", "rules", "linters"]
OLLAMA = Detected("ollama", "http://127.0.0.1:11434", "qwen3-coder:30b", "Ollama")


def loaded(repo: str = "", *, user: str = "", policy: str = "", environ: Mapping[str, str] | None = None) -> Loaded:
    return load(
        Sources(
            repo_read={".loom/config.yaml": repo.encode()}.get if repo else {}.get,
            user_file=("user", user.encode()) if user else None,
            policy=("policy", policy.encode()) if policy else None,
            environ=environ or {},
            local=True,
        )
    )


def chosen(
    repo: str = "",
    *,
    environ: Mapping[str, str] | None = None,
    in_ci: bool = False,
    detected: Detected | None = None,
    model: str | None = None,
    user: str = "",
    policy: str = "",
) -> Choice:
    config = loaded(repo, user=user, policy=policy, environ=environ)
    return choose(config, environ=environ or {}, in_ci=in_ci, detected=detected, model=model)


def names(choice: Choice) -> list[str]:
    return [pipeline.name for pipeline in choice.config.pipelines]


def default(choice: Choice) -> tuple[str, str, str | None, str | None]:
    assert choice.model is not None
    model = choice.config.models[choice.model]
    return model.provider, model.model, model.base_url, model.api_key_env


def test_without_a_file_and_a_model_every_analyzer_runs_and_nothing_else() -> None:
    choice = chosen()
    assert names(choice) == ANALYZERS
    builtins = [f"builtin/{name}" for name in ANALYZERS[:-1]]
    assert [p.uses for p in choice.config.pipelines] == [*builtins, "linter/auto"]
    assert (choice.model, choice.reason, choice.notices) == (None, "", ())


def test_with_a_model_there_is_one_review_more() -> None:
    choice = chosen(environ={"LOOM_MODEL": "ollama/qwen3-coder"})
    assert names(choice) == [*ANALYZERS, "review"]
    assert choice.config.pipelines[-1].model == "default"
    assert choice.reason == "LOOM_MODEL"
    assert choice.host_models == {"default"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LOOM_MODEL": "anthropic/claude-x"}, ("anthropic", "claude-x", None, "ANTHROPIC_API_KEY")),
        ({"LOOM_MODEL": "openai/gpt-x", "LOOM_API_KEY": "k"}, ("openai-compatible", "gpt-x", None, "LOOM_API_KEY")),
        ({"LOOM_MODEL": "google/g", "GOOGLE_API_KEY": "k"}, ("google", "g", None, "GOOGLE_API_KEY")),
        ({"LOOM_MODEL": "google/g"}, ("google", "g", None, "GEMINI_API_KEY")),
        ({"LOOM_MODEL": "ollama/q:7b"}, ("ollama", "q:7b", None, None)),
        ({"LOOM_MODEL": "m", "LOOM_BASE_URL": "https://h/v1"}, ("openai-compatible", "m", "https://h/v1", None)),
        (
            {"LOOM_MODEL": "org/m", "LOOM_BASE_URL": "https://h/v1", "LOOM_API_KEY": "k"},
            ("openai-compatible", "org/m", "https://h/v1", "LOOM_API_KEY"),
        ),
        (
            {"LOOM_MODEL": "anthropic/c", "LOOM_BASE_URL": "https://openrouter.ai/api/v1"},
            ("openai-compatible", "anthropic/c", "https://openrouter.ai/api/v1", None),
        ),
        (
            {"LOOM_MODEL": "openai/google/gemma", "LOOM_BASE_URL": "http://localhost:1234/v1"},
            ("openai-compatible", "google/gemma", "http://localhost:1234/v1", None),
        ),
    ],
)
def test_loom_model_takes_these_forms(environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert default(chosen(environ=environ)) == expected


def test_a_vendors_key_never_goes_to_another_address() -> None:
    environ = {"LOOM_MODEL": "openai/m", "LOOM_BASE_URL": "https://proxy.example/v1", "OPENAI_API_KEY": "k"}
    assert default(chosen(environ=environ))[3] is None


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"LOOM_MODEL": "gpt-5.6"}, 'LOOM_MODEL: unknown model "gpt-5.6".'),
        ({"LOOM_MODEL": "faster"}, 'Did you mean "fast"?'),
        ({"LOOM_MODEL": "m", "LOOM_BASE_URL": "ftp://x"}, "LOOM_BASE_URL: the address must begin with https://"),
        ({"LOOM_MODEL": "m", "LOOM_BASE_URL": "https://u:p@x"}, "LOOM_BASE_URL: the address must not hold a user name"),
        ({"LOOM_MODEL": "openai/"}, "LOOM_MODEL: String should have at least 1 character"),
    ],
)
def test_a_model_nobody_knows_is_an_error_that_says_what_is_allowed(environ: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen("models: {fast: {model: x}}", environ=environ)
    assert says in caught.value.message
    assert "ollama/NAME" in caught.value.hint


def test_loom_model_beats_the_repositorys_default_model_only() -> None:
    repo = """
models: {default: {model: team, headers: {X: y}}, big: {model: large, fallback: default}}
pipelines: [{name: a}, {name: b, model: big}, {name: c, model: default, verify: default}]
"""
    choice = chosen(repo, environ={"LOOM_MODEL": "ollama/q"})
    assert default(choice) == ("ollama", "q", None, None)
    assert choice.config.models["default"].headers == {}
    assert [p.model for p in choice.config.pipelines] == ["default", "big", "default"]
    assert choice.host_models == {"default"}


def test_the_only_model_is_the_default_one_whatever_its_name() -> None:
    repo = "models: {main: {model: team}}\npipelines: [{name: a}, {name: b, model: main, verify: default}]"
    choice = chosen(repo)
    assert (choice.model, choice.reason) == ("main", "configuration")
    assert [(p.model, p.verify) for p in choice.config.pipelines] == [("main", None), ("main", "main")]
    assert default(chosen(repo, environ={"LOOM_MODEL": "ollama/q"}))[1] == "q"


def test_the_flag_is_for_every_model_pipeline() -> None:
    repo = "models: {default: {model: a}, big: {model: b}}\npipelines: [{name: a}, {name: b, model: big}]"
    by_name = chosen(repo, model="big", environ={"LOOM_MODEL": "ollama/q"})
    assert [p.model for p in by_name.config.pipelines] == ["big", "big"]
    assert (by_name.reason, by_name.host_models) == ("--model", frozenset())
    described = chosen(repo, model="ollama/q")
    assert [described.config.models[p.model].model for p in described.config.pipelines] == ["q", "q"]


def test_loom_model_may_name_a_configured_model() -> None:
    repo = "models: {default: {model: a}, big: {model: b}}\npipelines: [{name: a}, {name: c, model: default}]"
    choice = chosen(repo, environ={"LOOM_MODEL": "big"})
    assert [p.model for p in choice.config.pipelines] == ["big", "big"]


def test_in_a_ci_job_a_vendors_key_is_a_choice_in_this_order() -> None:
    keys = {"GOOGLE_API_KEY": "k", "GEMINI_API_KEY": "k", "OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    seen = []
    while keys:
        choice = chosen(environ=keys, in_ci=True)
        seen.append((choice.reason, *default(choice)[:2]))
        assert default(choice)[3] == choice.reason
        del keys[choice.reason]
    assert seen == [
        ("ANTHROPIC_API_KEY", "anthropic", "claude-sonnet-5-5"),
        ("OPENAI_API_KEY", "openai-compatible", "gpt-5.6"),
        ("GEMINI_API_KEY", "google", "gemini-3.8-flash"),
        ("GOOGLE_API_KEY", "google", "gemini-3.8-flash"),
    ]


def test_locally_a_key_that_lies_around_is_only_told() -> None:
    choice = chosen(environ={"OPENAI_API_KEY": "sk-secret"})
    assert choice.model is None
    assert names(choice) == ANALYZERS
    assert choice.notices[0].message == "OPENAI_API_KEY is set, but no model was chosen, so none is used"
    assert choice.notices[0].hint == "to use it: LOOM_MODEL=openai/gpt-5.6"


def test_locally_a_server_on_loopback_is_used() -> None:
    choice = chosen(environ={"OPENAI_API_KEY": "k"}, detected=OLLAMA)
    assert default(choice) == ("ollama", "qwen3-coder:30b", "http://127.0.0.1:11434", None)
    assert choice.reason == "Ollama at http://127.0.0.1:11434"
    assert choice.notices == ()


def test_what_somebody_chose_beats_a_key_and_a_server() -> None:
    environ = {"ANTHROPIC_API_KEY": "k"}
    assert chosen(user="models: {mine: {model: m}}", environ=environ, detected=OLLAMA).model == "mine"
    assert chosen("models: {team: {model: m}}", environ=environ, in_ci=True).model == "team"


def test_a_list_of_pipelines_is_exactly_what_runs() -> None:
    repo = "pipelines: [{name: s, uses: builtin/secrets}, {name: lint, run: x, enabled: false}]"
    assert names(chosen(repo, environ={"LOOM_MODEL": "ollama/q"})) == ["s", "lint"]


def test_model_pipelines_without_any_model_do_not_run_and_that_is_said() -> None:
    choice = chosen("pipelines: [{name: a}, {name: b, enabled: false}, {name: s, uses: builtin/secrets}]")
    assert names(choice) == ["s"]
    assert choice.without_model == ("a", "b")  # a disabled one can be asked for by name
    assert choice.notices[-1].message == "no model was chosen, so these pipelines do not run: a"


def test_a_policy_that_locks_the_models_is_not_overridden_by_the_environment() -> None:
    policy = "lock: [models]\nmodels: {default: {model: house}}"
    choice = chosen(policy=policy, environ={"LOOM_MODEL": "ollama/q"})
    assert default(choice)[1] == "house"
    assert "LOOM_MODEL has no effect" in choice.notices[0].message
    with pytest.raises(UsageError, match="locks the models"):
        chosen(policy=policy, model="ollama/q")
    closed = chosen(policy="lock: [models]", environ={"ANTHROPIC_API_KEY": "k"}, in_ci=True, detected=OLLAMA)
    assert closed.model is None


def test_a_base_url_alone_chooses_nothing() -> None:
    choice = chosen(environ={"LOOM_BASE_URL": "https://h/v1"})
    assert choice.model is None
    assert choice.notices[0].message == "LOOM_BASE_URL has no effect without LOOM_MODEL"


def test_loopback_is_probed_only_when_an_answer_would_matter() -> None:
    def wants(repo: str = "", *, in_ci: bool = False, model: str | None = None, **environ: str) -> bool:
        return wants_detection(loaded(repo, environ=environ), environ=environ, in_ci=in_ci, model=model)

    assert wants()
    assert wants("pipelines: [{name: a}]")
    assert wants(OPENAI_API_KEY="k")
    assert not wants(in_ci=True)
    assert not wants(model="x")
    assert not wants(LOOM_MODEL="ollama/q")
    assert not wants("models: {a: {model: x}}")
    assert not wants("pipelines: [{name: s, uses: builtin/secrets}]")


def test_the_table_of_default_models_is_dated() -> None:
    assert DEFAULT_MODELS_AS_OF == "2026-11-21"
    assert [vendor.prefix for vendor in VENDORS] == ["anthropic", "openai", "google"]
