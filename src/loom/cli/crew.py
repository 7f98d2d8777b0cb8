"""The models and analyzers of one review, made from the configuration, and what keeps some of them from running."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loom.cli import wiring
from loom.cli.forks import NO_SECRETS
from loom.cli.host import Host, terminal_width
from loom.cli.linting import Linting, is_harmless
from loom.config.choice import Detected, choose, wants_detection
from loom.config.schema import Config, Pipeline
from loom.config.trust import check_hosts, restrain
from loom.core.errors import ConfigError, Problem, UsageError
from loom.core.finding import Severity
from loom.core.result import Notice
from loom.engine.job import Tools
from loom.engine.plan import SkippedPipeline
from loom.llm.base import Model

if TYPE_CHECKING:
    from loom.analyzers.base import Analyzer
    from loom.cli.flags import ReviewFlags
    from loom.cli.opening import Opened
    from loom.cli.wiring import Checkout
    from loom.infra.net import Network
    from loom.infra.progress import Progress
    from loom.store.cache import Cache
    from loom.store.windows import Windows


@dataclass(slots=True)
class Chosen:
    """The configuration that is in effect: models chosen, hosts checked, what is not trusted left out."""

    config: Config
    """With every configured pipeline, also those that will not run: they are named, with the reason."""
    withheld: Mapping[str, str]
    """Pipeline -> why trust or the lack of a model keeps it from running. The review can still be complete."""
    notices: tuple[Notice, ...]
    network: Network
    opened_models: dict[str, list[Model]] = field(default_factory=dict)

    @classmethod
    def of(cls, flags: ReviewFlags, host: Host, opened: Opened) -> Chosen:
        """Decide. Raises ConfigError or UsageError for what cannot be done, before any socket is opened."""
        from loom.llm.endpoints import builtin_hosts

        loaded, environ = opened.loaded, host.environ
        choice = choose(
            loaded,
            environ=environ,
            in_ci=host.in_ci,
            detected=_detected(flags, host, opened),
            model=flags.model,
        )
        checked = check_hosts(
            choice.config,
            builtin_hosts=builtin_hosts(),
            allow=environ.get("LOOM_ALLOW_HOSTS"),
            local=not host.in_ci,
            accepted=opened.accepted,
            host_models=choice.host_models,
            loaded=loaded,
        )
        safe = restrain(
            choice.config,
            checked.withheld,
            accepted=opened.accepted,
            own_rules=opened.own_rules,
            how=opened.how,
            harmless=is_harmless,
        )
        stranger = dict(_for_stranger(choice.config, opened, environ))
        planned = {pipeline.name: pipeline for pipeline in choice.config.pipelines}
        named = loaded.config.pipelines or choice.config.pipelines
        everything = tuple(planned.get(pipeline.name, pipeline) for pipeline in named)
        return cls(
            config=safe.config.model_copy(update={"pipelines": everything}),
            withheld={**dict.fromkeys(choice.without_model, _without_model(opened)), **dict(safe.left_out), **stranger},
            notices=(*choice.notices, *safe.notices),
            network=_network(flags, host, safe.config),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self.network.aclose()


def _without_model(opened: Opened) -> str:
    return NO_SECRETS if opened.stranger.no_secrets else "no model was chosen"


def _for_stranger(config: Config, opened: Opened, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pipelines that do not run over a fork's change, and why: programs beside secrets, and models without a key where
    a key cannot be."""
    from loom.llm import lacks_key

    for pipeline in config.pipelines:
        if opened.stranger.programs and pipeline.kind == "script":
            yield pipeline.name, opened.stranger.programs
        model = config.models.get(pipeline.model) if pipeline.kind == "llm" else None
        if opened.stranger.no_secrets and model is not None and lacks_key(model, environ):
            yield pipeline.name, NO_SECRETS


def make_tools(
    flags: ReviewFlags,
    host: Host,
    checkout: Checkout,
    opened: Opened,
    chosen: Chosen,
    *,
    cache: Cache | None,
    tag: str,
    stop: Callable[[], None],
) -> Tools:
    """What the engine works with."""
    from loom.store.windows import Windows

    masker = wiring.masker()
    memory = Windows(cache, now_s=time.time) if cache is not None else None
    linting = Linting(host, checkout, opened, script_env=chosen.config.advanced.script_env)
    return Tools(
        masker=masker,
        own_masker=wiring.own_masker(),
        mask=masker.mask,
        analyzer=lambda pipeline: (
            linting.analyzer(pipeline)
            if pipeline.kind == "linter"
            else make_analyzer(pipeline, host, checkout, opened.rules, script_env=chosen.config.advanced.script_env)
        ),
        models=lambda name: _models(name, chosen, host, opened, memory),
        refuse=lambda pipeline: _refuse(pipeline, chosen.withheld, opened, linting.refuse(pipeline)),
        prompt=lambda pipeline: _prompt(pipeline, opened),
        cache=cache,
        progress=_progress(flags, host),
        clock=time.monotonic,
        now_s=time.time,
        tag=tag,
        stop=stop,
        expand=linting.expand,
        looks_at=linting.looks_at,
    )


def make_analyzer(
    pipeline: Pipeline,
    host: Host,
    checkout: Checkout,
    rules: Sequence[tuple[str, bytes | None]],
    *,
    script_env: dict[str, str],
) -> Analyzer:
    """The analyzer of a `uses: builtin/…` or `run:` pipeline."""
    from loom import analyzers

    if pipeline.run is not None:
        from loom.analyzers.script import Script

        return Script(
            name=pipeline.name,
            run=pipeline.run,
            parse_output=pipeline.parse_output,
            root=checkout.root,
            environ=host.environ,
            pattern=pipeline.pattern,
            workdir=pipeline.workdir,
            timeout_s=pipeline.timeout,
            env={**script_env, **pipeline.env},
            shell=pipeline.shell,
            severity_map={level: Severity(ours) for level, ours in pipeline.severity_map.items()},
            # Scripts are only planned where the configuration is accepted. In a CI job that is the target branch's, and
            # the checkout is the change: what programs it brings along is not for the change to say.
            trusted_checkout=not host.in_ci,
        )
    assert pipeline.uses is not None
    from loom.infra import lookup

    made: Callable[..., Analyzer] = lookup.load(analyzers.TABLE, pipeline.uses, what="analyzer")
    return made(extra=rules) if pipeline.uses == "builtin/rules" else made()


def _refuse(
    pipeline: Pipeline, withheld: Mapping[str, str], opened: Opened, as_linter: SkippedPipeline | None
) -> SkippedPipeline | None:
    """What may not run here."""
    if as_linter is not None and as_linter.failed:
        return as_linter
    if pipeline.name in opened.touched:
        hint = "look at that part by hand; it runs again after the merge" if opened.accepted else opened.how
        return SkippedPipeline(pipeline, opened.touched[pipeline.name], hint, failed=True)
    if pipeline.name in withheld:
        return SkippedPipeline(pipeline, withheld[pipeline.name])
    return as_linter


def _models(name: str, chosen: Chosen, host: Host, opened: Opened, memory: Windows | None) -> Sequence[Model]:
    """The model of that name and its fallbacks, each made once."""
    from loom import llm

    if name in chosen.opened_models:
        return chosen.opened_models[name]
    chain: list[Model] = []
    names: list[str] = []
    at: str | None = name
    while at is not None and at not in names:
        settings = chosen.config.models.get(at)
        if settings is None:
            raise UsageError(f'models.{names[-1] if names else at}: no model is called "{at}"')
        names.append(at)
        chain.append(
            llm.make(
                at,
                settings,
                environ=host.environ,
                network=chosen.network,
                read=lambda p: opened.read(f".loom/{p}"),
                memory=memory,
            )
        )
        at = settings.fallback
    chosen.opened_models[name] = chain
    return chain


def _prompt(pipeline: Pipeline, opened: Opened) -> str | None:
    """The team's prompt: inline, the named file, or `.loom/prompts/NAME.md`; None: the built-in one. Raises
    ConfigError when the named file is not there."""
    if pipeline.prompt is not None:
        return pipeline.prompt
    path = f".loom/{pipeline.prompt_file}" if pipeline.prompt_file else f".loom/prompts/{pipeline.name}.md"
    content = opened.read(path)
    if content is not None:
        return content.decode("utf-8", "replace")
    if pipeline.prompt_file is None:
        return None
    raise ConfigError([Problem(path, 0, 0, f"pipelines[{pipeline.name}].prompt_file", "there is no such prompt file")])


def _detected(flags: ReviewFlags, host: Host, opened: Opened) -> Detected | None:
    """A model server on loopback, asked for only when nobody chose a model."""
    if not wants_detection(opened.loaded, environ=host.environ, in_ci=host.in_ci, model=flags.model):
        return None
    from loom.llm import detect

    servers = detect.listening(detect.candidates(host.environ))
    if not servers:  # nearly always: and then the HTTP library was not even imported
        return None
    from loom.infra.net import Network

    async def ask() -> Detected | None:
        network = Network()
        try:
            found = await detect.detect(host.environ, network, servers=servers)
        finally:
            await network.aclose()
        return Detected(found.provider, found.base_url, found.model, found.server.label) if found else None

    return asyncio.run(ask())


def _network(flags: ReviewFlags, host: Host, config: Config) -> Network:
    """Connections to the hosts that were allowed, and no others. `config`: the restrained one."""
    from loom.infra.net import Network, Rules, Settings, origin_of
    from loom.infra.retry import Policy
    from loom.llm.endpoints import builtin_hosts

    builtin = builtin_hosts()
    allowed = {entry.strip() for entry in host.environ.get("LOOM_ALLOW_HOSTS", "").split(",") if entry.strip()}
    # What check_hosts let pass is allowed: a host the user named, or one of an accepted checkout. A built-in one needs
    # no naming, and would lose the check that its name does not lead to a private address.
    for model in config.models.values():
        if model.base_url is not None and (origin := origin_of(model.base_url)).host not in builtin:
            allowed.add(str(origin))
    advanced = config.advanced
    retries = advanced.max_retries if advanced.retry_on_error else 0
    return Network(
        Settings(
            rules=Rules(builtin=builtin, named=frozenset(allowed), offline=flags.offline),
            proxies=wiring.proxies(host),
            ca_bundle=wiring.ca_bundle(host),
            policy=Policy(retries=retries),
        )
    )


def _progress(flags: ReviewFlags, host: Host) -> Progress:
    from loom.infra import progress

    if flags.quiet or flags.no_progress or flags.log_format == "json":
        return progress.make("silent", sys.stderr)
    if not sys.stderr.isatty() or host.in_ci or host.environ.get("TERM") == "dumb":
        return progress.make("plain" if host.in_ci or flags.verbose else "silent", sys.stderr)
    return progress.make(
        "rich",
        sys.stderr,
        colour=not host.environ.get("NO_COLOR"),
        unicode=(sys.stderr.encoding or "").lower().startswith("utf"),
        width=terminal_width(),
    )
