"""From a configured model to one that can be asked: its endpoint, its address, its key, its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loom.core.errors import UsageError
from loom.infra.net import NetError, Network, Origin, origin_of
from loom.infra.ratelimit import Gate
from loom.llm import endpoints
from loom.llm.base import NoReplyError, Settings
from loom.llm.conversation import HttpModel, Learned
from loom.llm.endpoints import Endpoint
from loom.llm.windows import Memory
from loom.llm.wire import Secret, Target, Traits, Wire

# config.md: "8, 2 for loopback"; a configuration made without the schema may leave it open.
_CONCURRENCY, _LOCAL_CONCURRENCY = 8, 2


def build(
    name: str,
    settings: Settings,
    member: Callable[[Target], Wire],
    *,
    environ: Mapping[str, str],
    network: Network,
    memory: Memory | None = None,
) -> HttpModel:
    """See llm.make."""
    base_url = settings.base_url or _default_url(settings.provider, environ)
    try:
        origin = origin_of(base_url)
    except NetError as error:
        raise UsageError(f"models.{name}.base_url: {error.message}", hint=error.hint) from error
    endpoint = endpoints.find(settings.provider, origin)
    variable, key = _key(settings, endpoint, environ)
    target = Target(
        endpoint=endpoint,
        base_url=_with_path(base_url, endpoint),
        model=settings.model,
        key=Secret(key) if key else None,
        headers={header.lower(): value for header, value in settings.headers.items()},
    )
    no_key = None
    if not key and not origin.is_loopback and (endpoint.needs_key or settings.api_key_env):
        no_key = _no_key(name, variable, settings.model)
    elif key and not (key.isascii() and key.isprintable() and " " not in key):
        no_key = NoReplyError(
            f"model {settings.model}: {variable} holds no usable key (spaces, line feeds or non-ASCII)",
            hint=f"set {variable} to the bare key",
            slug="model-no-key",
        )
    learned = _learned(target, settings, origin, network)
    return HttpModel(member(target), settings, network=network, learned=learned, no_key=no_key, memory=memory)


def lacks_key(settings: Settings, environ: Mapping[str, str]) -> bool:
    """See llm.lacks_key."""
    base_url = settings.base_url or _default_url(settings.provider, environ)
    try:
        origin = origin_of(base_url)
    except NetError:
        return False  # told by `build`
    endpoint = endpoints.find(settings.provider, origin)
    needed = endpoint.needs_key or bool(settings.api_key_env)
    return needed and not origin.is_loopback and not _key(settings, endpoint, environ)[1]


def _default_url(provider: str, environ: Mapping[str, str]) -> str:
    if provider == "ollama" and (own := endpoints.ollama_url(environ.get("OLLAMA_HOST", ""))):
        return own
    return str(endpoints.default_for(provider).base_url)


def _with_path(base_url: str, endpoint: Endpoint) -> str:
    """An OpenAI-compatible address without a path gets the usual one: forgetting it is the commonest mistake."""
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    if endpoint.provider == "openai-compatible" and base.count("/") == 2:
        base += "/openai/v1" if endpoint.name == "azure" else "/v1"
    return base + mark + query


def _key(settings: Settings, endpoint: Endpoint, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that holds (or should hold) the key, and the key or an empty string. A host's own variable goes to
    that host only; a variable named in the configuration goes where the configuration says."""
    names = (settings.api_key_env,) if settings.api_key_env else endpoint.key_env
    for name in names:
        if key := environ.get(name, "").strip():
            return name, key
    return (names[0] if names else ""), ""


def _no_key(name: str, variable: str, model: str) -> NoReplyError:
    where = f"the variable {variable} is not set" if variable else "no variable is named for its key"
    return NoReplyError(
        f"model {model} has no key: {where}",
        hint=f"set {variable}" if variable else f"name a variable in models.{name}.api_key_env",
        slug="model-no-key",
    )


def _learned(target: Target, settings: Settings, origin: Origin, network: Network) -> Learned:
    endpoint = target.endpoint

    def start() -> Learned:
        concurrency = settings.max_concurrency or (_LOCAL_CONCURRENCY if origin.is_loopback else _CONCURRENCY)
        network.reserve(concurrency)
        policy = network.policy
        gate = Gate(
            concurrency=concurrency,
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
            clock=policy.clock,
            sleep=policy.sleep,
        )
        traits = Traits(schema=endpoint.schema, max_field=endpoint.max_field, refused=endpoint.refused)
        return Learned(traits=traits, gate=gate)

    # Two configurations of one model share what they learn and their places, unless they set other limits.
    limits = (settings.max_concurrency, settings.requests_per_minute, settings.tokens_per_minute)
    return network.shared((target.base_url, target.model, limits), start)
