"""What validation found wrong, in words: the key, what was found, what is allowed, the nearest valid name."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from loom.config import secrecy
from loom.config.nodes import Node, Path, show_path
from loom.config.schema import Config
from loom.config.types import Strict
from loom.core.errors import Problem, did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_NEVER_SHOWN = frozenset(("api_key_env", "headers", "env", "script_env"))
_YAML_1_1 = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(root: Node, errors: Iterable[ErrorDetails], *, whole: bool) -> list[Problem]:
    """The problems of a tree, from what pydantic reports about its plain value.

    `whole` is False for one layer of several: what it lacks another layer may give.
    """
    problems = []
    for error in errors:
        context: Mapping[str, Any] = error.get("ctx", {})
        if not whole and (error["type"] == "missing" or context.get("whole")):
            continue
        problems.append(_problem(root, error, context))
    return problems


def found(node: Node, path: Path) -> str:
    """What stands there, short; never a value that may be a secret."""
    value = node.value
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing (null)"
    if any(part in _NEVER_SHOWN for part in path) or (isinstance(value, str) and secrecy.looks_secret(value)):
        return "a value that is not shown here"
    text = json.dumps(value, ensure_ascii=False)
    shown = text if len(text) <= 60 else text[:57] + '…"'
    return f"{shown} (from {node.raw[:60]})" if node.raw else shown


def _problem(root: Node, error: ErrorDetails, context: Mapping[str, Any]) -> Problem:
    path, at_key = _path(root, error, context)
    node = root.nearest(path)
    message = _message(root, path, error, context)
    return node.origin.problem(_masked(show_path(root, path)), message, at_key=at_key)


def _path(root: Node, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[Path, bool]:
    """Where the error is, and whether it is about the key rather than the value."""
    path: Path = tuple(error["loc"])
    if path and path[-1] == "[key]":
        return path[:-1], True
    if error["type"] == "loom":
        inner = (*path, str(context["key"]))
        return (inner, True) if root.find(inner) else (path, False)
    return path, error["type"] == "extra_forbidden"


def _message(root: Node, path: Path, error: ErrorDetails, context: Mapping[str, Any]) -> str:
    kind = error["type"]
    node = root.nearest(path)
    match kind:
        case "extra_forbidden":
            return _unknown_key(path)
        case "missing":
            return f"the required key `{path[-1]}` is missing"
        case "literal_error":
            return _not_allowed(node, path)
        case "bool_type" if isinstance(node.value, str) and node.value.lower() in _YAML_1_1:
            return (
                f"found {found(node, path)}; write {_YAML_1_1[node.value.lower()]} (only true and false are booleans)"
            )
        case "string_type" if isinstance(node.value, bool | int | float):
            return f"found {found(node, path)}; expected text: put it in quotes"
        case "string_too_short":
            return f"found {found(node, path)}; it must not be empty"
        case "value_error":
            return f"found {found(node, path)}; {context['error']}"
        case "loom":
            return str(context["message"])
    if kind == "int_type" and isinstance(node.value, str) and node.value.isdigit():
        return f"found {found(node, path)}; expected {_WANTED[kind]}, without quotes and leading zeros"
    if kind in _WANTED:
        return f"found {found(node, path)}; expected {_WANTED[kind]}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"found {found(node, path)}; must be {words} {context[name]:g}"
    return f"found {found(node, path)}; {error['msg']}"


def _unknown_key(path: Path) -> str:
    name = str(path[-1])
    known = known_keys(path[:-1])
    if name.endswith("+") and name[:-1] in known:
        return f'"{_masked(name)}": only lists can be appended to with `+`'
    listed = "" if len(known) > 14 else f" Known: {', '.join(known)}."
    return f'unknown key "{_masked(name)}".{did_you_mean(name, known)}{listed}'


def _masked(text: str) -> str:
    return "(not shown)" if secrecy.looks_secret(text) else text[:80]


def _not_allowed(node: Node, path: Path) -> str:
    allowed = [str(choice) for choice in _choices(_annotation(path))]
    near = did_you_mean(node.value, allowed) if isinstance(node.value, str) else ""
    return f"found {found(node, path)}.{near} Allowed: {', '.join(allowed)}"


def known_keys(path: Path) -> tuple[str, ...]:
    """The keys that the schema knows at `path`."""
    piece = piece_of(_annotation(path))
    return tuple(piece.model_fields) if piece else ()


def _annotation(path: Path) -> Any:  # a type expression: there is no narrower type for one
    annotation: Any = Config
    for part in path:
        piece = piece_of(annotation)
        if piece and isinstance(part, str) and part in piece.model_fields:
            annotation = piece.model_fields[part].annotation
            continue
        arguments = [a for a in typing.get_args(bare(annotation)) if a is not Ellipsis]
        annotation = arguments[-1] if arguments else None
    return annotation


def bare(annotation: Any) -> Any:  # a type expression
    """Without Annotated and `| None`."""
    if hasattr(annotation, "__metadata__"):
        return bare(annotation.__origin__)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(annotation) if a is not type(None)]
        return bare(options[0])
    return annotation


def piece_of(annotation: Any) -> type[Strict] | None:  # a type expression
    """The part of the schema that a type expression names; None when it names none."""
    plain = bare(annotation)
    return plain if isinstance(plain, type) and issubclass(plain, Strict) else None


def _choices(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(bare(annotation))
