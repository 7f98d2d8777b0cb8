"""Whether a configuration is right: each layer by itself, then the whole, then what one part says of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from loom.config import problems, secrecy
from loom.config.aliases import Findings
from loom.config.nodes import Node, Path, pipeline_name, settled, show_path
from loom.config.schema import Config
from loom.core.errors import did_you_mean

if TYPE_CHECKING:
    from loom.config.load import Sources

CHOSEN_BY_HOST = "LOOM_MODEL"


def layer(root: Node, found: Findings, *, lock: bool = False) -> None:
    """Record what is wrong in one layer, whatever the others say."""
    if lock:
        root = root.with_entries({key: node for key, node in root.entries.items() if key != "lock"})
    root = settled(root)
    try:
        Config.model_validate(root.plain())
    except ValidationError as error:
        found.problems += problems.explain(root, error.errors(include_url=False), whole=False)
    _duplicate_names(root, found)
    _credentials(root, found)


def validated(tree: Node, found: Findings, sources: Sources) -> Config | None:
    """The configuration of all layers together; None when it has none (the problems are recorded)."""
    try:
        config = Config.model_validate(tree.plain())
    except ValidationError as error:
        found.problems += problems.explain(tree, error.errors(include_url=False), whole=True)
        return None
    references = _References(config, tree, found)
    references.models(chosen_by_host=bool(sources.environ.get(CHOSEN_BY_HOST)))
    references.personas()
    references.files(sources)
    _idle_keys(config, tree, found)
    return config


def _duplicate_names(root: Node, found: Findings) -> None:
    pipelines = root.entries.get("pipelines")
    seen: dict[str, Node] = {}
    for node in pipelines.items if pipelines else []:
        name = pipeline_name(node)
        if name is None:
            continue
        if name in seen:
            message = f'the name "{name[:60]}" is already taken on line {seen[name].origin.line}; names are unique'
            found.problems.append(node.entries["name"].origin.problem(f"pipelines[{name[:40]}].name", message))
        seen.setdefault(name, node)


def _credentials(root: Node, found: Findings) -> None:
    """What a repository may not name or hold: the job's own tokens as a model's key, credentials in headers."""
    models = root.entries.get("models")
    for name, model in models.entries.items() if models else ():
        key = model.entries.get("api_key_env")
        if key and isinstance(key.value, str) and key.origin.layer == "repository" and _is_token(key.value):
            message = f"{key.value} is the job's own credential; a repository may not send it to a model's host"
            found.problems.append(key.origin.problem(f"models.{name}.api_key_env", message))
        headers = model.entries.get("headers")
        for header, value in headers.entries.items() if headers else ():
            if isinstance(value.value, str) and value.raw is None and _is_credential(header, value.value):
                message = (
                    "a credential in the file is an error: take it out and revoke it, put it into a variable, write "
                    "${THE_VARIABLE} here and name it in the job's LOOM_CONFIG_VARS (or use api_key_env)"
                )
                found.problems.append(value.origin.problem(f"models.{name}.headers.{header}", message))


def _is_token(name: str) -> bool:
    return not secrecy.looks_secret(name) and secrecy.platform_token(name)


def _is_credential(header: str, value: str) -> bool:
    return secrecy.looks_secret(value) or (secrecy.secret_header(header) and len(value) >= 8)


def _idle_keys(config: Config, tree: Node, found: Findings) -> None:
    for n, pipeline in enumerate(config.pipelines):
        for key in pipeline.idle_keys:
            node = tree.nearest(("pipelines", n, key))
            what = "a model" if pipeline.kind == "llm" else f"a {pipeline.kind}"
            message = f"{node.origin}: pipelines[{pipeline.name}].{key} has no effect on {what} pipeline"
            found.notice("config-idle-key", message)


class _References:
    """Names that must exist: models, personas, files."""

    def __init__(self, config: Config, tree: Node, found: Findings) -> None:
        self._config = config
        self._tree = tree
        self._found = found

    def models(self, *, chosen_by_host: bool) -> None:
        """Every pipeline's model, every verifier, every fallback; no circle of fallbacks."""
        config = self._config
        names = set(config.models) | ({"default"} if chosen_by_host else set())
        for n, pipeline in enumerate(config.pipelines):
            if pipeline.kind != "llm":
                continue
            for key, name in (("model", pipeline.model), ("verify", pipeline.verify)):
                if name == "default":
                    self._default(("pipelines", n, key), names)
                elif name is not None:
                    self._known(("pipelines", n, key), name, names, "model")
        for name, model in config.models.items():
            if model.fallback:
                self._known(("models", name, "fallback"), model.fallback, names, "model")
            if self._circle(name):
                self._problem(("models", name, "fallback"), "the fallbacks go in a circle")

    def _default(self, path: Path, names: set[str]) -> None:
        if len(names) > 1 and "default" not in names:
            known = ", ".join(sorted(names))
            self._problem(path, f"names no model, and none of several is called `default`. Known: {known}")

    def _circle(self, start: str) -> bool:
        seen: set[str] = set()
        name: str | None = start
        while name in self._config.models and name not in seen:
            seen.add(name)
            name = self._config.models[name].fallback
        return name == start

    def personas(self) -> None:
        """Every pipeline's persona."""
        names = set(self._config.personas) | {"default"}
        for n, pipeline in enumerate(self._config.pipelines):
            self._known(("pipelines", n, "persona"), pipeline.persona, names, "persona")

    def files(self, sources: Sources) -> None:
        """Every file that is named must be there, under `.loom/`."""
        named: list[tuple[Path, str]] = [
            (("pipelines", n, "prompt_file"), pipeline.prompt_file)
            for n, pipeline in enumerate(self._config.pipelines)
            if pipeline.prompt_file
        ]
        if self._config.output.summary_template:
            named.append((("output", "summary_template"), self._config.output.summary_template))
        for path, name in named:
            if sources.repo_read(f".loom/{name}") is None:
                self._problem(path, f"there is no file .loom/{name}")

    def _known(self, path: Path, name: str, names: set[str], what: str) -> None:
        if name not in names:
            known = f" Known: {', '.join(sorted(names))}." if names else f" No {what} is configured."
            shown = "(not shown)" if secrecy.looks_secret(name) else name[:60]
            self._problem(path, f'unknown {what} "{shown}".{did_you_mean(name, names)}{known}')

    def _problem(self, path: Path, message: str) -> None:
        node = self._tree.nearest(path)
        self._found.problems.append(node.origin.problem(show_path(self._tree, path), message))
