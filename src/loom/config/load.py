"""Reading the configuration: every layer from where it may come from, merged by precedence, checked, explained.

Everything comes by parameter; nothing here reads the environment, the disk or the network itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loom.config import aliases, checks, extends, floors, not_yet, problems
from loom.config.aliases import Findings
from loom.config.nodes import (
    Layer,
    Node,
    Origin,
    Path,
    empty,
    from_document,
    from_setting,
    merge,
    settled,
    show_path,
)
from loom.config.schema import Config
from loom.config.variables import Variables, expand
from loom.core.errors import ConfigError, LoomError, Problem, did_you_mean
from loom.core.result import Notice
from loom.infra import yaml

CONFIG_FILE = ".loom/config.yaml"
OTHER_NAME = ".loom/config.yml"
HINT = "`loom config check` lists every problem; docs/configuration.md has every key"


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting from the command line."""

    name: str
    """As the user wrote it: `--fail-on`."""
    value: object
    """As YAML would give it: text, number, truth value, list or mapping of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the layers are. The caller decides what is trusted; see docs/security-model.md."""

    repo_read: Callable[[str], bytes | None]
    """A file by its path in the repository, from the trusted place (the target branch's tip, or the working tree
    locally); None when it is not there."""
    flags: Mapping[str, Flag] = field(default_factory=dict)
    """By dotted key: `output.fail_on`."""
    environ: Mapping[str, str] = field(default_factory=dict)
    user_file: tuple[str, bytes] | None = None
    """The user's own file, as (name to show, content). Read in local runs only."""
    config_name: str | None = None
    """Another file of the repository in place of `.loom/config.yaml`; it must exist."""
    host_file: tuple[str, bytes] | None = None
    """A file outside the repository that the host named, in place of the repository's."""
    policy: tuple[str, bytes] | None = None
    """The organisation's policy (LOOM_POLICY), its hash already checked."""
    fetch: extends.Fetch | None = None
    """None: nothing is fetched (offline), and an https `extends` is an error."""
    local: bool = False
    accepted: bool = True
    """Whether the repository's `.loom/` is trusted (accepted with `loom trust`, or the target branch's own). Until then
    its https `extends` are not fetched, and it cannot lower what config.floors names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The effective configuration and where each part of it comes from."""

    config: Config
    origins: Mapping[str, str]
    """Key as it is shown (`output.fail_on`, `pipelines[security].severity`) -> file:line, flag or variable. A key
    that is not here has its default."""
    notices: tuple[Notice, ...]
    digest: str
    """16 hex digits of the canonical form: the result's `config_hash`."""
    not_yet: tuple[str, ...]
    """Keys that are set and not yet in effect."""
    has_file: bool
    """Whether the repository (or the host, in its place) gave a configuration."""
    locked: frozenset[str]
    """Dotted keys that the policy locks."""
    tree: Node
    allow_hosts: str | None = None
    """LOOM_ALLOW_HOSTS, for trust.check_hosts."""
    local: bool = False
    accepted: bool = True

    def problem(self, path: Path, message: str) -> Problem:
        """A Problem at a key, placed where the effective value stands."""
        return self.tree.nearest(path).origin.problem(show_path(self.tree, path), message)

    def layer(self, path: Path) -> Layer:
        """Who set the value at `path`; `default` when nobody did."""
        node = self.tree.find(path)
        return node.origin.layer if node else "default"


def load(sources: Sources) -> Loaded:
    """Read, merge and check all layers. Raises ConfigError with every problem of every file at once."""
    reader = _Reader(sources)
    found = reader.found
    policy, lock = reader.policy()
    repository = reader.repository()
    if repository and not sources.accepted:
        repository = floors.kept(repository, policy, found)
    user = reader.user()
    tree = empty(Origin("default", "default"))
    for layer in (policy, repository):
        tree = merge(tree, layer) if layer else tree
    tree = merge(tree, user, replace_models=True) if user else tree
    for flag_layer in reader.flags():
        tree = merge(tree, flag_layer)
    tree = _locked(settled(tree), policy, lock, found)
    config = checks.validated(tree, found, sources)
    if config is None or found.problems:
        raise ConfigError(_in_order(found.problems), hint=HINT)
    return Loaded(
        config=config,
        origins=_origins(tree),
        notices=tuple(found.notices),
        digest=_digest(config, tree),
        not_yet=not_yet.waiting(config, tree),
        has_file=repository is not None,
        locked=frozenset(".".join(map(str, path)) for path in lock),
        tree=tree,
        allow_hosts=sources.environ.get("LOOM_ALLOW_HOSTS"),
        local=sources.local,
        accepted=sources.accepted,
    )


class _Reader:
    """Reads files into trees that are canonical, expanded and checked on their own; collects what is wrong."""

    def __init__(self, sources: Sources) -> None:
        self.found = Findings()
        self._sources = sources
        self._variables = Variables.of(sources.environ)
        self._files = 0

    def repository(self) -> Node | None:
        """The repository's configuration with all it extends, or the host's in its place; None without one."""
        sources = self._sources
        if sources.host_file:
            return self._file(*sources.host_file, layer="host", chain=())
        name = sources.config_name or CONFIG_FILE
        data = sources.repo_read(name)
        if data is None and sources.config_name:
            self.found.problems.append(Problem(name, 0, 0, "", "there is no such configuration file"))
        if data is None and not sources.config_name and (data := sources.repo_read(OTHER_NAME)) is not None:
            name = OTHER_NAME
        return None if data is None else self._file(name, data, layer="repository", chain=())

    def user(self) -> Node | None:
        """The user's own file, in local runs."""
        if not self._sources.local or self._sources.user_file is None:
            return None
        return self._file(*self._sources.user_file, layer="user", chain=())

    def policy(self) -> tuple[Node | None, tuple[Path, ...]]:
        """The policy's defaults and the keys it locks."""
        if self._sources.policy is None:
            return None, ()
        node = self._file(*self._sources.policy, layer="policy", chain=())
        node = settled(node) if node else None
        if node is None or "lock" not in node.entries:
            return node, ()
        rest = {key: child for key, child in node.entries.items() if key != "lock"}
        return node.with_entries(rest), self._lock(node.entries["lock"])

    def flags(self) -> list[Node]:
        """One tree per flag."""
        return [from_setting(key, flag.value, Origin("flag", flag.name)) for key, flag in self._sources.flags.items()]

    def _lock(self, node: Node) -> tuple[Path, ...]:
        paths: list[Path] = []
        for item in node.items or [node]:
            path = tuple(item.value.split(".")) if isinstance(item.value, str) else ()
            known = problems.known_keys(path[:-1])
            if path and (path[-1] in known or path[0] == "models"):
                paths.append(path)
                continue
            near = did_you_mean(str(path[-1]), known) if path else ""
            message = f"found {problems.found(item, ())}; expected the name of a key, such as output.fail_on.{near}"
            self.found.problems.append(item.origin.problem("lock", message))
        return tuple(paths)

    def _file(self, name: str, data: bytes, *, layer: Layer, chain: tuple[str, ...]) -> Node | None:
        """One file over all that it extends; None when it cannot be read at all (the problem is recorded)."""
        try:
            document = yaml.load(data, file=name)
        except ConfigError as error:
            self.found.problems += error.problems
            return None
        root = from_document(document, layer=layer)
        if not isinstance(root.value, dict):
            message = "a configuration is a mapping (key: value) at its top"
            self.found.problems.append(root.origin.problem("", message))
            return None
        root = expand(aliases.canonical(root, self.found), self._variables, self.found)
        checks.layer(root, self.found, lock=layer == "policy")
        base = self._bases(root, name, layer, (*chain, name))
        return merge(base, root) if base else root

    def _bases(self, root: Node, name: str, layer: Layer, chain: tuple[str, ...]) -> Node | None:
        merged: Node | None = None
        listed = root.entries.get("extends")
        for item in listed.items if listed else []:
            if isinstance(item.value, str) and (base := self._base(item, item.value, name, layer, chain)):
                rest = {key: child for key, child in base.entries.items() if key not in ("extends", "lock")}
                merged = merge(merged or empty(root.origin), base.with_entries(rest))
        return merged

    def _base(self, item: Node, text: str, name: str, layer: Layer, chain: tuple[str, ...]) -> Node | None:
        """One entry of `extends`, read. None when it was not; the reason is recorded."""
        try:
            what = extends.parse(text, file=name, in_repository=layer == "repository" and "://" not in name)
            if isinstance(what, extends.Org):
                return None  # named by not_yet
            shown = what.path if isinstance(what, extends.Local) else what.url
            self._guard(shown, chain)
            data = self._content(what, item)
        except ValueError as error:
            self._problem(item, str(error))
            return None
        except LoomError as error:
            self._problem(item, f"{text.partition('#')[0]}: {error.message}")
            return None
        return None if data is None else self._file(shown, data, layer=layer, chain=chain)

    def _guard(self, shown: str, chain: tuple[str, ...]) -> None:
        if shown in chain:
            raise ValueError(f"a cycle: {' → '.join((*chain[chain.index(shown) :], shown))}")
        self._files += 1
        if self._files > extends.MAX_FILES:
            raise ValueError(f"a configuration is made of at most {extends.MAX_FILES} files")

    def _content(self, what: extends.Local | extends.Pinned, item: Node) -> bytes | None:
        sources = self._sources
        if isinstance(what, extends.Local):
            if (data := sources.repo_read(what.path)) is None:
                raise ValueError(f"there is no {what.path}")
            return data
        if not sources.accepted and item.origin.layer == "repository":
            message = f"{item.origin}: {what.url} is not read from a checkout that was not accepted"
            self.found.notice("untrusted-checkout", message, "look at .loom/ and accept it with `loom trust`")
            return None
        if sources.fetch is None:
            raise ValueError("nothing can be fetched here (offline)")
        return extends.read_pinned(what, sources.fetch)

    def _problem(self, item: Node, message: str) -> None:
        self.found.problems.append(item.origin.problem("extends", message))


def _locked(tree: Node, policy: Node | None, lock: tuple[Path, ...], found: Findings) -> Node:
    """The tree with every locked key as the policy (or, where it is silent, the default) has it."""
    for path in lock:
        theirs = policy.find(path) if policy else None
        ours = tree.find(path)
        if ours is not None and (theirs is None or ours.plain() != theirs.plain()):
            key = ".".join(map(str, path))
            who = next((node.origin for _, node in ours.leaves() if node.origin.layer != "policy"), ours.origin)
            found.notice("policy-locked", f"{who}: {key} is locked by the organisation's policy; its value stays")
        tree = _with(tree, path, theirs)
    return tree


def _with(node: Node, path: Path, value: Node | None) -> Node:
    """The tree with the node at `path` replaced, or taken out."""
    head, *rest = path
    entries = dict(node.entries)
    below = entries.get(str(head))
    new = value if not rest else _with(below or empty(node.origin), tuple(rest), value)
    if new is None or (rest and below is None and value is None):
        entries.pop(str(head), None)
    else:
        entries[str(head)] = new
    return node.with_entries(entries)


def _origins(tree: Node) -> dict[str, str]:
    """Every key that some layer sets, and who."""
    return {show_path(tree, path): str(node.origin) for path, node in tree.leaves() if path}


def _digest(config: Config, tree: Node) -> str:
    value = config.model_dump(mode="json")
    for name, model in value["models"].items():
        for header in model["headers"]:
            node = tree.find(("models", name, "headers", header))
            # What a variable holds may be a credential: the name stands for it.
            model["headers"][header] = node.raw if node and node.raw else model["headers"][header]
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By place; one problem per place and key, the first found (later ones often follow from it)."""
    files = list(dict.fromkeys(problem.file for problem in problems))
    seen: dict[tuple[str, int, int, str], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.file, problem.line, problem.column, problem.key if not problem.line else ""), problem)
    return sorted(seen.values(), key=lambda p: (files.index(p.file), p.line, p.column))
