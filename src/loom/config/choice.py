"""Which model reviews, and which pipelines run, when the configuration leaves it open. Pure: what was found in the
environment and on loopback is handed in. No model is used by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from loom.config import hosts
from loom.config.load import Loaded
from loom.config.schema import AUTO, BUILTINS, Config, ModelConfig, Pipeline
from loom.core.errors import UsageError, did_you_mean
from loom.core.result import Notice

DEFAULT = "default"

DEFAULT_MODELS_AS_OF = "2026-11-21"
"""When the models below were chosen: each vendor's current, generally available mid-class model. Vendors retire models
within a year or so; a release brings this table up to date."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor whose key in a CI job is a choice."""

    prefix: str
    """In LOOM_MODEL: `anthropic/…`."""
    provider: str
    keys: tuple[str, ...]
    """Variables that hold its key, in order."""
    model: str
    """What is used when only a key is there."""


VENDORS = (
    Vendor("anthropic", "anthropic", ("ANTHROPIC_API_KEY",), "claude-sonnet-5-5"),
    Vendor("openai", "openai-compatible", ("OPENAI_API_KEY",), "gpt-5.6"),
    # The newest Gemini that is generally available (the pro class is in preview).
    Vendor("google", "google", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini-3.8-flash"),
)
PROVIDERS = {vendor.prefix: vendor.provider for vendor in VENDORS} | {"ollama": "ollama", "scripted": "scripted"}
FORMS = "anthropic/NAME, openai/NAME, google/NAME, ollama/NAME, or any name together with LOOM_BASE_URL"

# Hosts whose own model names begin with a vendor's name: the prefix is part of the name there.
_SLASHED_NAMES = frozenset(
    (
        *("openrouter.ai", "api.groq.com", "api.together.xyz", "api.deepinfra.com", "router.huggingface.co"),
        *("integrate.api.nvidia.com", "ai-gateway.vercel.sh", "api.fireworks.ai", "api.novita.ai"),
    )
)


@dataclass(frozen=True, slots=True)
class Detected:
    """A model server that answered on loopback."""

    provider: str
    """ollama or openai-compatible."""
    base_url: str
    model: str
    name: str = ""
    """What serves it, for people: `Ollama`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What will run."""

    config: Config
    """The effective configuration: every LLM pipeline names a model in `models`, none is left open."""
    model: str | None
    """The default model's name in `config.models`; None when no model was chosen."""
    reason: str
    """Who chose it: `--model`, `LOOM_MODEL`, `configuration`, a key variable, or the server that answered."""
    host_models: frozenset[str] = frozenset()
    """Names in `config.models` that the host itself set, not the repository."""
    without_model: tuple[str, ...] = ()
    """Pipelines that need a model where none was chosen; they are not in `config`."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pick:
    """A choice before the pipelines are looked at."""

    models: Mapping[str, ModelConfig]
    default: str | None
    reason: str = ""
    by_host: bool = False
    everywhere: bool = False
    """Every LLM pipeline uses it, whatever model it names (`--model`)."""
    notices: tuple[Notice, ...] = ()


def wants_detection(loaded: Loaded, *, environ: Mapping[str, str], in_ci: bool, model: str | None = None) -> bool:
    """Whether loopback should be probed for a model server: locally, when nobody chose a model and one is of use."""
    pipelines = loaded.config.pipelines
    of_use = not pipelines or any(p.enabled and p.kind == "llm" for p in pipelines)
    return of_use and not (in_ci or model or environ.get("LOOM_MODEL") or loaded.config.models)


def choose(
    loaded: Loaded,
    *,
    environ: Mapping[str, str],
    in_ci: bool,
    detected: Detected | None = None,
    model: str | None = None,
) -> Choice:
    """The effective configuration. `model` is the value of `--model`. Raises UsageError for a model nobody knows."""
    pick = _pick(loaded, environ=environ, in_ci=in_ci, detected=detected, model=model)
    pipelines = loaded.config.pipelines or _usual_pipelines(with_model=pick.default is not None)
    planned, without = _assigned(pipelines, pick)
    notices = [*pick.notices, *_lonely_address(environ, pick)]
    if missed := tuple(p.name for p in pipelines if p.enabled and p.name in without):
        notices.append(_no_model(missed))
    return Choice(
        config=loaded.config.model_copy(update={"models": dict(pick.models), "pipelines": planned}),
        model=pick.default,
        reason=pick.reason,
        host_models=frozenset((pick.default,)) if pick.by_host and pick.default else frozenset(),
        without_model=without,
        notices=tuple(notices),
    )


def default_name(models: Mapping[str, ModelConfig]) -> str | None:
    """The default model: the one named `default`, or the only one."""
    if DEFAULT in models:
        return DEFAULT
    return next(iter(models)) if len(models) == 1 else None


def parse_model(text: str, *, environ: Mapping[str, str], source: str, known: Mapping[str, object]) -> ModelConfig:
    """The model that LOOM_MODEL or `--model` describes. `known`: configured names, for the error."""
    base_url = environ.get("LOOM_BASE_URL") or None
    prefix, slash, name = text.partition("/")
    provider = PROVIDERS.get(prefix) if slash and not _slashed(base_url) else None
    if provider is None and base_url is None:
        hint = f"allowed: {FORMS}" + (f"; configured: {', '.join(known)}" if known else "")
        raise UsageError(f'{source}: unknown model "{text}".{did_you_mean(text, known)}', hint=hint)
    values = {
        "provider": provider or "openai-compatible",
        "model": name if provider else text,
        "base_url": base_url,
        "api_key_env": _key_variable(prefix if provider else "", base_url, environ),
    }
    try:
        return ModelConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = "LOOM_BASE_URL" if first["loc"] and first["loc"][0] == "base_url" else source
        reason = first.get("ctx", {}).get("error", first["msg"])
        raise UsageError(f"{what}: {reason}", hint=f"LOOM_MODEL is {FORMS}") from error


def _slashed(base_url: str | None) -> bool:
    if base_url is None:
        return False
    try:
        return hosts.parse(base_url).name in _SLASHED_NAMES
    except ValueError:
        return False  # reported by the model's own check


def _key_variable(prefix: str, base_url: str | None, environ: Mapping[str, str]) -> str | None:
    """LOOM_API_KEY belongs to the model it is given with. A vendor's own key goes to the vendor's own host only."""
    if environ.get("LOOM_API_KEY"):
        return "LOOM_API_KEY"
    vendor = next((vendor for vendor in VENDORS if vendor.prefix == prefix), None)
    if vendor is None or base_url is not None:
        return None
    return next((key for key in vendor.keys if environ.get(key)), vendor.keys[0])


def _pick(
    loaded: Loaded, *, environ: Mapping[str, str], in_ci: bool, detected: Detected | None, model: str | None
) -> _Pick:
    models = loaded.config.models
    named = _named(loaded, environ, model)
    if named is not None:
        return named
    locked = _locked_notice(loaded, environ)
    if models:
        return _Pick(models, default_name(models), "configuration", notices=locked)
    if "models" in loaded.locked:
        return _Pick({}, None, notices=locked)
    if in_ci:
        return _from_key(environ) or _Pick({}, None)
    if detected:
        found = ModelConfig.model_validate(
            {"provider": detected.provider, "base_url": detected.base_url, "model": detected.model}
        )
        where = f"{detected.name or detected.provider} at {detected.base_url}"
        return _Pick({DEFAULT: found}, DEFAULT, where, by_host=True)
    return _Pick({}, None, notices=_lying_around(environ))


def _named(loaded: Loaded, environ: Mapping[str, str], flag: str | None) -> _Pick | None:
    """What `--model` or LOOM_MODEL says; None when neither does, or the policy locks the models."""
    text = flag or environ.get("LOOM_MODEL")
    source = "--model" if flag else "LOOM_MODEL"
    models = loaded.config.models
    if not text:
        return None
    if text in models:
        return _Pick(models, text, source, everywhere=bool(flag))
    if "models" in loaded.locked:
        if flag:
            raise UsageError(f'--model: the organisation\'s policy locks the models, and none is called "{text}"')
        return None
    name = default_name(models) or DEFAULT
    chosen = parse_model(text, environ=environ, source=source, known=models)
    return _Pick({**models, name: chosen}, name, source, by_host=True, everywhere=bool(flag))


def _locked_notice(loaded: Loaded, environ: Mapping[str, str]) -> tuple[Notice, ...]:
    if "models" not in loaded.locked or not environ.get("LOOM_MODEL"):
        return ()
    return (Notice("policy-locked", "LOOM_MODEL has no effect: models is locked by the organisation's policy"),)


def _from_key(environ: Mapping[str, str]) -> _Pick | None:
    for vendor in VENDORS:
        for key in vendor.keys:
            if environ.get(key):
                chosen = ModelConfig.model_validate(
                    {"provider": vendor.provider, "model": vendor.model, "api_key_env": key}
                )
                return _Pick({DEFAULT: chosen}, DEFAULT, key, by_host=True)
    return None


def _lying_around(environ: Mapping[str, str]) -> tuple[Notice, ...]:
    """A key that merely lies in a developer's environment is no choice: code does not leave the machine by accident."""
    for vendor in VENDORS:
        for key in vendor.keys:
            if environ.get(key):
                message = f"{key} is set, but no model was chosen, so none is used"
                return (Notice("model-not-chosen", message, f"to use it: LOOM_MODEL={vendor.prefix}/{vendor.model}"),)
    return ()


def _lonely_address(environ: Mapping[str, str], pick: _Pick) -> list[Notice]:
    if not environ.get("LOOM_BASE_URL") or pick.reason in ("LOOM_MODEL", "--model"):
        return []
    return [Notice("model-not-chosen", "LOOM_BASE_URL has no effect without LOOM_MODEL", "set both")]


def _usual_pipelines(*, with_model: bool) -> tuple[Pipeline, ...]:
    """What runs when nobody listed pipelines: every built-in analyzer, the linters that the repository configures, and
    one review by a model if there is one."""
    analyzers = [Pipeline(name=name, uses=f"builtin/{name}") for name in BUILTINS]
    analyzers.append(Pipeline(name="linters", uses=AUTO))
    return (*analyzers, Pipeline(name="review")) if with_model else tuple(analyzers)


def _assigned(pipelines: tuple[Pipeline, ...], pick: _Pick) -> tuple[tuple[Pipeline, ...], tuple[str, ...]]:
    """The pipelines with their models put in, and the names of those that have none."""
    planned: list[Pipeline] = []
    without: list[str] = []
    for pipeline in pipelines:
        if pipeline.kind != "llm":
            planned.append(pipeline)
        elif (model := _model_of(pipeline.model, pick)) is not None:
            verify = pipeline.verify and (_model_of(pipeline.verify, pick) or pipeline.verify)
            planned.append(pipeline.model_copy(update={"model": model, "verify": verify}))
        else:
            without.append(pipeline.name)
    return tuple(planned), tuple(without)


def _model_of(name: str, pick: _Pick) -> str | None:
    if pick.everywhere or (name == DEFAULT and DEFAULT not in pick.models) or name == DEFAULT == pick.default:
        return pick.default
    if name == DEFAULT:
        return pick.default or DEFAULT
    return name if name in pick.models else None


def _no_model(names: tuple[str, ...]) -> Notice:
    listed = ", ".join(names)
    message = f"no model was chosen, so these pipelines do not run: {listed}"
    return Notice("model-not-chosen", message, f"set LOOM_MODEL ({FORMS}), or `models` in .loom/config.yaml")
