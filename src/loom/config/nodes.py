"""Configuration values that remember where they came from, and how layers of them are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from loom.core.errors import Problem
from loom.infra.yaml import Document, Value

Layer = Literal["default", "policy", "repository", "host", "user", "environment", "flag"]
"""Who said it. `host` is a file outside the repository that the host named in place of the repository's; only
`repository` is T1, all others are the host's own word (T0)."""
Scalar: TypeAlias = "bool | int | float | str | None"
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value stands: a file and place, a flag or a variable."""

    layer: Layer
    source: str
    """A file's name, a flag or a variable, as it is shown."""
    line: int = 0
    """1-based; 0 where there are no lines."""
    column: int = 0
    key_line: int = 0
    """Of the key that holds the value; the value's own place in a list."""
    key_column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.key_line}" if self.key_line else self.source

    def problem(self, key: str, message: str, *, at_key: bool = False) -> Problem:
        """A Problem here."""
        place = (self.key_line, self.key_column) if at_key else (self.line, self.column)
        return Problem(self.source, *place, key, message)


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its origin. Never changed after it is made: merging makes new ones."""

    value: Scalar | dict[str, Node] | list[Node]
    origin: Origin
    raw: str | None = None
    """The text before `${VAR}` was put in; None where nothing was."""

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a mapping; nothing for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; nothing for anything else."""
        return self.value if isinstance(self.value, list) else []

    def child(self, part: str | int) -> Node | None:
        """The entry or item at `part`."""
        if isinstance(part, str):
            return self.entries.get(part)
        return self.items[part] if part < len(self.items) else None

    def find(self, path: Path) -> Node | None:
        """The node at `path`."""
        node: Node | None = self
        for part in path:
            node = node.child(part) if node else None
        return node

    def nearest(self, path: Path) -> Node:
        """The node at `path`, or its nearest parent that exists."""
        node = self
        for part in path:
            inner = node.child(part)
            if inner is None:
                break
            node = inner
        return node

    def with_entries(self, entries: dict[str, Node]) -> Node:
        """The same mapping with other entries."""
        return Node(entries, self.origin)

    def plain(self) -> object:
        """Values only, lists as tuples (what strict validation takes for one)."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return tuple(node.plain() for node in self.value)
        return self.value

    def map(self, change: Callable[[Path, Node], Node], path: Path = ()) -> Node:
        """The tree with `change` applied to every scalar."""
        if isinstance(self.value, dict):
            return self.with_entries({key: node.map(change, (*path, key)) for key, node in self.value.items()})
        if isinstance(self.value, list):
            return Node([node.map(change, (*path, n)) for n, node in enumerate(self.value)], self.origin)
        return change(path, self)

    def leaves(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Every scalar and every empty mapping or list, with its path, in order."""
        if isinstance(self.value, dict) and self.value:
            for key, node in self.value.items():
                yield from node.leaves((*path, key))
        elif isinstance(self.value, list) and self.value:
            for n, node in enumerate(self.value):
                yield from node.leaves((*path, n))
        else:
            yield path, self


def empty(origin: Origin) -> Node:
    """A mapping without entries."""
    return Node({}, origin)


def from_document(document: Document, *, layer: Layer) -> Node:
    """The tree of a file. An empty file is an empty mapping."""
    value = {} if document.value is None else document.value
    return _from_value(document, value, (), layer)


def _from_value(document: Document, value: Value, path: Path, layer: Layer) -> Node:
    origin = Origin(layer, document.file, *document.place(path), *document.key_place(path))
    if isinstance(value, dict):
        return Node({k: _from_value(document, v, (*path, k), layer) for k, v in value.items()}, origin)
    if isinstance(value, list):
        return Node([_from_value(document, v, (*path, n), layer) for n, v in enumerate(value)], origin)
    return Node(value, origin)


def from_setting(key: str, value: object, origin: Origin) -> Node:
    """The tree that sets one dotted key."""
    node = _from_plain(value, origin)
    for part in reversed(key.split(".")):
        node = Node({part: node}, origin)
    return node


def _from_plain(value: object, origin: Origin) -> Node:
    if isinstance(value, Mapping):
        return Node({str(k): _from_plain(v, origin) for k, v in value.items()}, origin)
    if isinstance(value, list | tuple):
        return Node([_from_plain(v, origin) for v in value], origin)
    assert value is None or isinstance(value, bool | int | float | str)
    return Node(value, origin)


def merge(low: Node, high: Node, *, replace_models: bool = False) -> Node:
    """`high` over `low`: mappings merge deeply, lists replace, `key+` appends, pipelines merge by name.

    With `replace_models` an entry of `models` replaces the lower one whole: a user's model must not inherit the
    repository's key variable or headers.
    """
    return _merge(low, high, (), replace_models)


def _merge(low: Node | None, high: Node, path: Path, replace_models: bool) -> Node:
    if not isinstance(high.value, dict):
        return high
    entries = dict(low.entries) if low else {}
    for key, node in sorted(high.value.items(), key=lambda entry: _appends(*entry)):  # `key` before `key+`
        if _appends(key, node) and (*path, key) != ("pipelines+",):
            _append(entries, key, node)
            continue
        name = "pipelines" if (*path, key) == ("pipelines+",) else key
        below = None if path == ("models",) and replace_models else entries.get(name)
        entries.pop(f"{name}+", None)
        if (*path, name) == ("pipelines",) and isinstance(node.value, list):
            entries[name] = _merge_pipelines(below, node, replace_models)
        else:
            entries[name] = _merge(below, node, (*path, name), replace_models)
    return high.with_entries(entries)


def _appends(key: str, node: Node) -> bool:
    return key.endswith("+") and isinstance(node.value, list)


def _append(entries: dict[str, Node], key: str, node: Node) -> None:
    """Append to the list there is; without one stay `key+`, since a lower layer may still have it."""
    name = key[:-1]
    below = [*_items(entries, name), *_items(entries, key)]
    entries.pop(key, None)
    entries[name if name in entries else key] = Node([*below, *node.items], node.origin)


def _items(entries: dict[str, Node], key: str) -> list[Node]:
    return entries[key].items if key in entries else []


def settled(node: Node) -> Node:
    """The tree once no lower layer can come: what is still `key+` is `key`."""
    if isinstance(node.value, list):
        return Node([settled(item) for item in node.value], node.origin)
    if not isinstance(node.value, dict):
        return node
    entries: dict[str, Node] = {}
    for key, child in sorted(node.value.items(), key=lambda entry: _appends(*entry)):
        if _appends(key, child):
            entries[key[:-1]] = Node([*_items(entries, key[:-1]), *settled(child).items], child.origin)
        else:
            entries[key] = settled(child)
    return node.with_entries(entries)


def _merge_pipelines(low: Node | None, high: Node, replace_models: bool) -> Node:
    """The lower list in its order, each entry with what the higher one says about that name, then the new ones."""
    merged = list(low.items) if low else []
    places = {pipeline_name(node): n for n, node in enumerate(merged)}
    for node in high.items:
        name = pipeline_name(node)
        if name is not None and name in places:
            below = _without_other_prompt(merged[places[name]], node)
            merged[places[name]] = _merge(below, node, ("pipelines", 0), replace_models)
        else:
            places[name] = len(merged)
            merged.append(_merge(None, node, ("pipelines", 0), replace_models))
    return Node(merged, high.origin)


def _without_other_prompt(low: Node, high: Node) -> Node:
    """The lower pipeline without the prompt that the higher one replaces by the other kind of prompt."""
    for given, other in (("prompt", "prompt_file"), ("prompt_file", "prompt")):
        if given in high.entries and other in low.entries:
            return low.with_entries({key: node for key, node in low.entries.items() if key != other})
    return low


def pipeline_name(node: Node) -> str | None:
    """The name of an entry in `pipelines`; None when it has none."""
    name = node.entries.get("name")
    return name.value if name is not None and isinstance(name.value, str) else None


def show_path(root: Node, path: Path) -> str:
    """A path for people: `pipelines[security].severity`, by index where an entry has no name."""
    shown = ""
    node: Node | None = root
    for part in path:
        node = node.child(part) if node else None
        if isinstance(part, int):
            name = pipeline_name(node) if node else None
            shown += f"[{part if name is None else name[:40]}]"
        else:
            shown += f".{part}" if shown else part
    return shown
