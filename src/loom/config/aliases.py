"""Older names of keys and values, still found in published files, turned into the canonical form."""

from __future__ import annotations

from dataclasses import dataclass, field

from loom.config.nodes import Node
from loom.core.errors import Problem
from loom.core.result import Notice

PIPELINE_ALIASES = {"ignore_paths": "exclude_paths"}
OUTPUT_ALIASES = {"include_summary": "summary"}
ADVANCED_ALIASES = {"llm_retries": "max_retries"}
FORMAT_ALIASES = {"github-review": "review", "gitlab-note": "review"}
IGNORED = {
    "cache_config": "the configuration is read once per review, so there is nothing to cache",
    "config_cache_ttl": "the configuration is read once per review, so there is nothing to cache",
}
LLM_TIMEOUT = "llm_timeout"
"""Milliseconds, for every model of the same file that has no timeout of its own."""


@dataclass(slots=True)
class Findings:
    """What reading the layers brought up besides the values."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def notice(self, slug: str, message: str, hint: str = "") -> None:
        """Add a notice once."""
        notice = Notice(slug, message, hint)
        if notice not in self.notices:
            self.notices.append(notice)


def canonical(root: Node, found: Findings) -> Node:
    """The tree with every alias replaced. An alias beside its canonical name is a problem."""
    entries = dict(root.entries)
    if "extends" in entries:
        entries["extends"] = _as_list(entries["extends"])
    if "output" in entries:
        entries["output"] = _output(_renamed(entries["output"], OUTPUT_ALIASES, "output", found), found)
    for key in ("pipelines", "pipelines+"):
        if key in entries and entries[key].items:
            items = [_pipeline(node, found) for node in entries[key].items]
            entries[key] = Node(items, entries[key].origin)
    if "advanced" in entries:
        entries = _advanced(entries, found)
    return root.with_entries(entries) if isinstance(root.value, dict) else root


def _renamed(node: Node, names: dict[str, str], where: str, found: Findings) -> Node:
    if not isinstance(node.value, dict):
        return node
    entries: dict[str, Node] = {}
    for key, child in node.value.items():
        plus = "+" if key.endswith("+") else ""
        name = names.get(key.removesuffix("+"))
        if name is None:
            entries[key] = child
        elif name in node.value or name + plus in node.value:
            message = f"`{key}` is another name of `{name}`, which is set too; keep one"
            found.problems.append(child.origin.problem(f"{where}.{key}", message, at_key=True))
        else:
            entries[name + plus] = child
    return node.with_entries(entries)


def _as_list(node: Node) -> Node:
    return Node([node], node.origin) if isinstance(node.value, str) else node


def _output(node: Node, found: Findings) -> Node:
    entries = dict(node.entries)
    chosen = entries.get("format")
    if chosen and isinstance(chosen.value, str) and chosen.value in FORMAT_ALIASES:
        entries["format"] = Node(FORMAT_ALIASES[chosen.value], chosen.origin)
    by_file = entries.get("group_by_file")
    if by_file and isinstance(by_file.value, bool):
        if "group_by" in entries:
            message = "`group_by_file` is another name of `group_by`, which is set too; keep one"
            found.problems.append(by_file.origin.problem("output.group_by_file", message, at_key=True))
        entries["group_by"] = Node("file" if by_file.value else "severity", by_file.origin)
        del entries["group_by_file"]
    return node.with_entries(entries) if isinstance(node.value, dict) else node


def _pipeline(node: Node, found: Findings) -> Node:
    node = _renamed(node, PIPELINE_ALIASES, "pipelines", found)
    context = node.entries.get("context")
    if context is None or not isinstance(context.value, list):
        return node
    files = [item.entries.get("file", item) if set(item.entries) == {"file"} else item for item in context.items]
    as_mapping = Node({"files": Node(files, context.origin)}, context.origin)
    return node.with_entries({**node.entries, "context": as_mapping})


def _advanced(entries: dict[str, Node], found: Findings) -> dict[str, Node]:
    advanced = _renamed(entries["advanced"], ADVANCED_ALIASES, "advanced", found)
    kept = dict(advanced.entries)
    for key, reason in IGNORED.items():
        if key in kept:
            found.notice("config-ignored", f"{kept[key].origin}: advanced.{key} has no effect: {reason}")
            del kept[key]
    timeout = kept.get(LLM_TIMEOUT)
    if timeout and isinstance(timeout.value, int) and not isinstance(timeout.value, bool) and timeout.value > 0:
        del kept[LLM_TIMEOUT]
        entries = _with_timeout(entries, Node(timeout.value / 1000, timeout.origin), found)
    if isinstance(advanced.value, dict):
        entries = {**entries, "advanced": advanced.with_entries(kept)}
    return entries


def _with_timeout(entries: dict[str, Node], timeout: Node, found: Findings) -> dict[str, Node]:
    models = entries.get("models")
    if models is None or not models.entries:
        message = f"{timeout.origin}: advanced.llm_timeout has no effect: the file configures no model"
        found.notice("config-ignored", message, "set `timeout` (seconds) on the model")
        return entries
    changed = {
        name: model.with_entries({"timeout": timeout, **model.entries}) if isinstance(model.value, dict) else model
        for name, model in models.entries.items()
    }
    return {**entries, "models": models.with_entries(changed)}
