"""Keys that are valid but wait for a later version: named whenever they are set to something that would matter."""

from __future__ import annotations

from loom.config.nodes import Node, pipeline_name
from loom.config.schema import Config, Pipeline

WHEN = ("author_permission",)
PIPELINE = ("passes", "quorum", "verify")
SECTIONS = ("commands",)


def waiting(config: Config, tree: Node) -> tuple[str, ...]:
    """The keys in use that are not yet in effect, as `key` or `key: value`, in the order of the reference."""
    found = [f"extends: {text}" for text in config.extends if text.startswith("org:")]
    for pipeline in config.pipelines:
        found += _pipeline(pipeline, tree)
    for section in SECTIONS:
        piece = getattr(config, section)
        found += _changed(piece, tuple(type(piece).model_fields), section)
    return tuple(found)


def _changed(piece: object, keys: tuple[str, ...], where: str) -> list[str]:
    default = type(piece)()
    return [f"{where}.{key}" for key in keys if getattr(piece, key) != getattr(default, key)]


def _pipeline(pipeline: Pipeline, tree: Node) -> list[str]:
    where = f"pipelines[{pipeline.name}]"
    found = []
    found += _changed(pipeline.when, WHEN, f"{where}.when")
    if "context" in pipeline.model_fields_set and _sets_context(pipeline.name, tree):
        found.append(f"{where}.context")
    found += [f"{where}.{key}" for key in PIPELINE if getattr(pipeline, key) not in (1, None)]
    return found


def _sets_context(name: str, tree: Node) -> bool:
    """Whether anything stands in the pipeline's `context` (an empty mapping asks for nothing)."""
    pipelines = tree.entries.get("pipelines")
    for node in pipelines.items if pipelines else []:
        if pipeline_name(node) == name and (context := node.entries.get("context")):
            return bool(context.entries)
    return False
