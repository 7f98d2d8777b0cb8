"""Which layer may set what: hosts that models may be on, what an unaccepted checkout may not do, what accepting means.

The classes T0 (host), T1 (repository) and T2 (the change) are those of docs/security-model.md.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from loom.config import hosts
from loom.config.hosts import Host
from loom.config.load import Loaded
from loom.config.schema import Config, ModelConfig, Pipeline
from loom.core.change import ChangeSet
from loom.core.diff import show_path
from loom.core.errors import ConfigError, Problem, UsageError
from loom.core.result import Notice

CODE_RUNNING_CONFIG = (
    *(".rubocop*", ".eslintrc*", "eslint.config.*", ".prettierrc*", "prettier.config.*", ".stylelintrc*"),
    *(".flake8", "setup.cfg", "tox.ini", ".pylintrc", "pylintrc*", "pyproject.toml", "mypy.ini", ".mypy.ini"),
    *(".sqlfluff", "conftest.py", "package.json", ".pre-commit-config.yaml", "Makefile", ".npmrc", "bunfig.toml"),
    *("gnumakefile", "pytest.ini", "babel.config.*", ".babelrc*", ".yarnrc*"),
)
"""Files by which common linters run code of the checkout, at any depth, in any case (file systems may ignore it)."""


HOW = "look at it (`loom trust --show`), then `loom trust`"
"""How a checkout is accepted."""


@dataclass(frozen=True, slots=True)
class HostCheck:
    """What the check of the models' hosts came to."""

    withheld: Mapping[str, str] = field(default_factory=dict)
    """Model name -> why it is not used in this checkout until it is accepted."""


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """LOOM_ALLOW_HOSTS, read."""

    entries: frozenset[tuple[str | None, str, int | None]]
    """(scheme or None for https, name, port or None for any)."""

    @classmethod
    def parse(cls, text: str | None) -> AllowedHosts:
        """From `host`, `host:port`, `https://host`, `http://host[:port]`, comma-separated. Raises UsageError."""
        return cls(frozenset(_entry(item.strip()) for item in (text or "").split(",") if item.strip()))

    def allows(self, host: Host) -> bool:
        """Whether the host is named, plain http only where the entry says http://."""
        return any(
            (scheme or "https") == host.scheme and name == host.name and port in (None, host.port)
            for scheme, name, port in self.entries
        )

    def names(self, host: Host) -> bool:
        """Whether the host is named at all, whatever the scheme."""
        return any(name == host.name and port in (None, host.port) for _, name, port in self.entries)


def _entry(item: str) -> tuple[str | None, str, int | None]:
    scheme, found, rest = item.partition("://")
    try:
        host = hosts.parse(item if found else f"https://{item}")
    except ValueError as error:
        hint = "expected host, host:port or http://host:port, comma-separated"
        raise UsageError(f"LOOM_ALLOW_HOSTS: {item[:80]}: {error}", hint=hint) from error
    authority = (rest if found else item).partition("/")[0]
    has_port = authority.rpartition("]")[2].rpartition(":")[2].isdigit() and ":" in authority.rpartition("]")[2]
    return (scheme.lower() if found else None), host.name, host.port if has_port else None


def check_hosts(
    config: Config,
    *,
    builtin_hosts: frozenset[str],
    allow: str | None,
    local: bool,
    accepted: bool,
    host_models: frozenset[str] = frozenset(),
    loaded: Loaded | None = None,
) -> HostCheck:
    """Whether every model may be talked to, before any socket is opened.

    `builtin_hosts`: names, or name:port, of the endpoints Loom knows. `allow`: LOOM_ALLOW_HOSTS. `host_models`: models
    that the host itself chose (config.choice). `loaded` gives places and says which layer named a host; without it all
    models count as the repository's. In a checkout that was not accepted, every model the repository chose is withheld
    (not planned, and said in one line): no code leaves the machine because a stranger's file says so. In CI, models of
    an accepted configuration on hosts that are neither built in nor allowed are a ConfigError that names every one.
    """
    check = _Check(builtin_hosts, AllowedHosts.parse(allow), local=local, accepted=accepted)
    problems: list[Problem] = []
    withheld: dict[str, str] = {}
    for name, model in config.models.items():
        trusted = name in host_models or _set_by_host(loaded, name)
        reason = check.reason(model, trusted=trusted)
        if reason is None:
            continue
        if check.may_withhold(model, trusted=trusted):
            withheld[name] = reason
        else:
            problems.append(_problem(loaded if name not in host_models else None, name, reason))
    if problems:
        raise ConfigError(problems, slug="host", hint="the job, not the repository, decides which hosts get the code")
    return HostCheck(withheld)


@dataclass(frozen=True, slots=True)
class _Check:
    builtin: frozenset[str]
    allowed: AllowedHosts
    local: bool
    accepted: bool

    def may_withhold(self, model: ModelConfig, *, trusted: bool) -> bool:
        """Whether the review can go on without the model. Never for link-local addresses: nobody means those."""
        return not self.accepted and not trusted and not self._is_link_local(model)

    def reason(self, model: ModelConfig, *, trusted: bool) -> str | None:
        """Why the model's host may not be talked to; None when it may."""
        if not self.accepted and not trusted and model.provider != "scripted" and not self._is_link_local(model):
            return "the repository chose it, and this checkout was not accepted"
        if model.base_url is None:
            return None
        host = hosts.parse(model.base_url)
        if host.reach == "link-local":
            return f"{host.netloc} is a link-local, metadata or multicast address; no model is served there"
        if self.allowed.allows(host):
            return None
        if host.scheme == "http" and host.reach != "loopback":
            return (
                f"plain http to {host.netloc} would send code and keys readable to the network; use https, or write "
                f"http://{host.netloc} into LOOM_ALLOW_HOSTS"
            )
        if trusted:
            return None
        if host.name in self.builtin or host.netloc in self.builtin or self.local or host.reach == "loopback":
            return None
        which = "is a private address that nobody named" if host.reach == "private" else "is not a built-in host"
        return f"{host.netloc} {which}; if it is yours, the job allows it with LOOM_ALLOW_HOSTS={host.netloc}"

    @staticmethod
    def _is_link_local(model: ModelConfig) -> bool:
        return model.base_url is not None and hosts.parse(model.base_url).reach == "link-local"


def _set_by_host(loaded: Loaded | None, name: str) -> bool:
    if loaded is None:
        return False
    path = ("models", name, "base_url")
    node = loaded.tree.find(path) or loaded.tree.find(path[:-1])
    return node is not None and node.origin.layer not in ("repository", "default")


def _problem(loaded: Loaded | None, name: str, reason: str) -> Problem:
    path = ("models", name, "base_url")
    if loaded is None:
        return Problem("LOOM_BASE_URL", 0, 0, "", reason)
    return loaded.problem(path, reason)


@dataclass(frozen=True, slots=True)
class Restrained:
    """A configuration without what an unaccepted checkout may not do."""

    config: Config
    left_out: tuple[tuple[str, str], ...] = ()
    """(pipeline, why); these pipelines are not planned, so the review can still be complete."""
    notices: tuple[Notice, ...] = ()


def restrain(
    config: Config,
    withheld: Mapping[str, str],
    *,
    accepted: bool,
    own_rules: bool = False,
    how: str = HOW,
    harmless: Callable[[Pipeline], bool] = lambda _: False,
) -> Restrained:
    """The configuration that may run. `withheld` comes from `check_hosts`; an accepted one comes back as it is.
    `own_rules`: whether the checkout has rules, which are then not loaded. `how`: to the reader, how to accept.
    `harmless`: linters that run no code of the checkout, whatever it says."""
    if accepted:
        return Restrained(config)
    kept, left_out = [], []
    for pipeline in config.pipelines:
        why = None
        if runs_programs(pipeline) and not harmless(pipeline):
            why = "it runs programs, and this checkout was not accepted"
        elif pipeline.kind == "llm":
            why = withheld.get(pipeline.model) or (withheld.get(pipeline.verify) if pipeline.verify else None)
        if why is None:
            kept.append(pipeline)
        else:  # a disabled one too: `--pipeline NAME` can ask for it
            left_out.append((pipeline.name, why))
    models = {name: _without_fallback(model, withheld) for name, model in config.models.items() if name not in withheld}
    safe = config.model_copy(update={"pipelines": tuple(kept), "models": models})
    enabled = {pipeline.name for pipeline in config.pipelines if pipeline.enabled}
    missed = [name for name, _ in left_out if name in enabled]
    return Restrained(safe, tuple(left_out), (_not_accepted(missed, own_rules=own_rules, how=how),))


def _without_fallback(model: ModelConfig, withheld: Mapping[str, str]) -> ModelConfig:
    return model.model_copy(update={"fallback": None}) if model.fallback in withheld else model


def _not_accepted(pipelines: list[str], *, own_rules: bool, how: str) -> Notice:
    missed = [f"these pipelines do not run: {', '.join(pipelines)}"] if pipelines else []
    missed += ["its own rules are not loaded"] if own_rules else []
    so = "; ".join(missed) or "it may run no programs, choose no models and lower no bar"
    return Notice("untrusted-checkout", f"this checkout was not accepted, so {so}", how)


def runs_programs(pipeline: Pipeline) -> bool:
    """Whether the pipeline starts programs, which may take their configuration from the checkout."""
    return pipeline.kind in ("script", "linter")


def watched(path: str, also: frozenset[str] = frozenset()) -> bool:
    """Whether accepting a checkout is always about this file: `.loom/**` and linter configuration that can run code.
    `also`: by which files the catalogue's linters run it."""
    return path.casefold().startswith(".loom/") or _can_run_code(path) or matches(path, also)


def _can_run_code(path: str) -> bool:
    return matches(path, frozenset(CODE_RUNNING_CONFIG))


def matches(path: str, patterns: frozenset[str]) -> bool:
    """Whether one of the patterns is about the path: a name or the end of a path, at any depth, in any case; one that
    ends in `/`, about all that is below a folder called so."""
    return bool(patterns) and _compiled(patterns).search(path.casefold()) is not None


@cache
def _compiled(patterns: frozenset[str]) -> re.Pattern[str]:
    # One search for all of them: the paths of a large repository are asked one by one.
    folders = sorted(re.escape(p.casefold()) for p in patterns if p.endswith("/"))
    files = sorted(_expression(p.casefold()) for p in patterns if not p.endswith("/"))
    return re.compile("(?:^|/)(?:" + "|".join([*folders, *(f"(?:{file})$" for file in files)]) + ")", re.DOTALL)


def _expression(pattern: str) -> str:
    """fnmatch's, of which `*` stays within a name."""
    signs = {"*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(char) or re.escape(char) for char in pattern)


def named_files(config: Config) -> frozenset[str]:
    """Paths in the repository that commands of the configuration may mean, whether there are such files or not."""
    return frozenset(path for pipeline in config.pipelines for path in _named(pipeline, config))


def _named(pipeline: Pipeline, config: Config) -> Iterator[str]:
    if pipeline.run is None:
        return
    for text in (pipeline.run, *pipeline.env.values(), *config.advanced.script_env.values()):
        for word in _words(text):
            parts = word.split("/")
            # Of an absolute path, and of one after $PWD, any ending may be what stands in the repository.
            endings = ["/".join(parts[n:]) for n in range(1, len(parts))] if word.startswith("/") else [word]
            for ending in endings:
                for folder in {".", pipeline.workdir}:
                    path = posixpath.normpath(posixpath.join(folder, ending))
                    if not path.startswith(("..", "/")) and path != ".":
                        yield path


def _words(text: str) -> set[str]:
    """What may be a path in a command: its words, and what stands between the signs that a shell gives a meaning."""
    text = re.sub(r"\$(\w+|\{\w+\})", " ", text.replace("{files}", " "))
    found = set(re.findall(r"[^\s'\"`;|&()<>{}=,:]+", text))
    try:
        return found | {word for word in shlex.split(text) if word}  # a name with a space in it
    except ValueError:
        return found


def touched(config: Config, change: ChangeSet) -> dict[str, str]:
    """Scripts -> why this change decides what these would do: it touches configuration by which linters run code, or a
    file that the command names. What a linter of the catalogue runs is known: `touched_linter`."""
    paths = _paths(change)
    unknown = any(part.path is None for part in change.unread)
    found: dict[str, str] = {}
    for pipeline in config.pipelines:
        if pipeline.kind != "script":
            continue
        if by_itself := sorted(filter(_can_run_code, paths)):
            found[pipeline.name] = f"the change touches {_listed(by_itself)}, which can run code in linters"
        elif named := sorted(paths.intersection(_named(pipeline, config))):
            found[pipeline.name] = f"the change touches {_listed(named)}, which the command names"
        elif unknown:
            found[pipeline.name] = _UNKNOWN
    return found


def touched_linter(change: ChangeSet, runs_code: Iterable[str]) -> str | None:
    """Why this change decides what a linter would run: it touches one of the files by which code of the checkout runs
    in it. None when it does not."""
    if by_it := _touched(change, runs_code):
        return f"the change touches {_listed(by_it)}, by which it runs code"
    return _UNKNOWN if runs_code and any(part.path is None for part in change.unread) else None


def steered(change: ChangeSet, config: Iterable[str]) -> str | None:
    """That this change touches what a linter goes by, or None."""
    by_it = _touched(change, config)
    return f"the change touches {_listed(by_it)}, which the linter goes by" if by_it else None


_UNKNOWN = "a part of the change could not be read, and may touch what linters run"


def _touched(change: ChangeSet, patterns: Iterable[str]) -> list[str]:
    names = frozenset(patterns)
    return sorted(path for path in _paths(change) if matches(path, names))


def _paths(change: ChangeSet) -> set[str]:
    """Every path that the change is about, on either side."""
    paths = {path for file in change.files for path in (file.path, file.base_path)}
    return paths | {part.path for part in change.unread if part.path is not None}


def _listed(paths: list[str]) -> str:
    return ", ".join(show_path(path) for path in paths[:3]) + (" …" if len(paths) > 3 else "")


def checkout_digest(files: Mapping[str, bytes]) -> str:
    """64 hex digits over names and contents (or their hashes); any change of either changes it."""
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (path.encode("utf-8", "surrogateescape"), files[path]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def is_accepted(files: Mapping[str, bytes], accepted: Callable[[str], bool]) -> bool:
    """Whether programs may run in a checkout, as its configuration and the user's say. `files`: what accepting is
    about; where there is nothing of that kind, there is nothing to accept."""
    return not files or accepted(checkout_digest(files))


def changes_configuration(paths: Iterable[str]) -> Notice | None:
    """The notice for a change that touches `.loom/**`: it says so, and has no effect before it is merged."""
    touched = sorted(path for path in paths if path.startswith(".loom/"))
    if not touched:
        return None
    message = f"the change itself touches Loom's configuration ({', '.join(touched[:5])}); it takes effect after merge"
    return Notice("config-changed", message)
