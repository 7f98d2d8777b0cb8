"""The effective configuration as canonical YAML, each value with where it comes from, and nothing secret in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from loom.config import secrecy
from loom.config.load import Loaded
from loom.config.nodes import Node, Path
from loom.config.schema import Pipeline
from loom.config.schema_pipelines import LLM_KEYS, SCRIPT_KEYS, TOOL_KEYS

HIDDEN = "***"
DEFAULT = "default"

_PLAIN = re.compile(r"[A-Za-z_./*][A-Za-z0-9_./*@+ -]*", re.ASCII)
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_LISTED = ("headers", "env", "script_env", "severity_map")
"""Mappings with free keys: an empty one is shown as {}."""


def show(loaded: Loaded, *, mask: Callable[[str], str] = str) -> str:
    """The whole configuration. `mask` takes secrets out of free text (prompts, commands); keys of models, headers and
    variables are hidden here."""
    return "".join(f"{line}\n" for line in _Printer(loaded, mask).lines())


class _Printer:
    def __init__(self, loaded: Loaded, mask: Callable[[str], str]) -> None:
        self._loaded = loaded
        self._mask = mask

    def lines(self) -> Iterator[str]:
        config = self._loaded.config
        value = config.model_dump(mode="json")
        value["pipelines"] = [_of_kind(pipeline) for pipeline in config.pipelines]
        for key, part in value.items():
            yield from self._entry((key,), key, part, 0)

    def _entry(self, path: Path, key: str, value: object, depth: int) -> Iterator[str]:
        indent = "  " * depth
        head = f"{indent}{_text(key)}:"
        if isinstance(value, Mapping) and value:
            yield head
            for name, part in value.items():
                yield from self._entry((*path, name), name, part, depth + 1)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield head
            for n, item in enumerate(value):
                yield from self._item((*path, n), item, depth + 1)
        else:
            yield f"{head} {self._value(path, value)}  # {self._origin(path)}"

    def _item(self, path: Path, item: Mapping[str, object], depth: int) -> Iterator[str]:
        lines = [line for key, part in item.items() for line in self._entry((*path, key), key, part, depth + 1)]
        yield "  " * depth + "- " + lines[0].lstrip()
        yield from lines[1:]

    def _value(self, path: Path, value: object) -> str:
        if isinstance(value, list):
            return f"[{', '.join(self._scalar((*path, n), item) for n, item in enumerate(value))}]"
        if isinstance(value, Mapping):
            return "{}"
        return self._scalar(path, value)

    def _scalar(self, path: Path, value: object) -> str:
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if not isinstance(value, str):
            return json.dumps(value)
        return _text(self._safe(path, value))

    def _safe(self, path: Path, value: str) -> str:
        """The text, unless it is or may be a secret. What came from a variable is shown as the reference."""
        node = self._loaded.tree.find(path)
        name = str(path[-1])
        if "headers" in path:
            hidden = secrecy.secret_header(name) or secrecy.looks_secret(value)
            return (node.raw if node and node.raw else HIDDEN) if hidden else value
        if "env" in path or "script_env" in path:
            hidden = secrecy.secret_variable(name) or secrecy.looks_secret(value)
            return (node.raw if node and node.raw else HIDDEN) if hidden else value
        if name in ("base_url", "api_key_env") and secrecy.looks_secret(value):
            return HIDDEN
        return self._mask(secrecy.without_keys(value))

    def _origin(self, path: Path) -> str:
        node = self._loaded.tree.find(path)
        if node is None:
            return DEFAULT
        sources = dict.fromkeys(str(leaf.origin) for _, leaf in node.leaves())
        return _printable(", ".join(sources)) + self._locked(node, path)

    def _locked(self, node: Node, path: Path) -> str:
        key = ".".join(str(part) for part in path)
        locked = any(key == lock or key.startswith(f"{lock}.") for lock in self._loaded.locked)
        return " (locked)" if locked and node.origin.layer == "policy" else ""


def _of_kind(pipeline: Pipeline) -> dict[str, object]:
    """The keys that matter to this kind of pipeline, and any other that is set."""
    value: dict[str, object] = pipeline.model_dump(mode="json")
    idle = (SCRIPT_KEYS if pipeline.kind != "script" else frozenset()) | (
        TOOL_KEYS | {"run", "uses"} if pipeline.kind == "llm" else LLM_KEYS | {"run", "uses"}
    )
    kept = pipeline.model_fields_set
    return {key: part for key, part in value.items() if key not in idle or key in kept}


def _text(value: str) -> str:
    """A YAML scalar that reads back as this text."""
    if _PLAIN.fullmatch(value) and value == value.strip() and value.lower() not in _WORDS and not value.startswith("*"):
        return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f").replace("\x85", "\\u0085")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
