"""What the configuration of a checkout that nobody accepted may not lower: the bar, and what is kept from models."""

from __future__ import annotations

from collections.abc import Mapping

from loom.config.aliases import Findings
from loom.config.nodes import Node
from loom.config.schema import Config

_BARS = ("never", "blocker", "warning", "info")
_STRICTER: Mapping[tuple[str, str], tuple[object, ...]] = {
    ("output", "fail_on"): _BARS,
    ("output", "fail_on_model"): _BARS,
    ("privacy", "redact"): (False, True),
    ("privacy", "send_description"): (True, False),
    ("privacy", "send_context"): (True, False),
}
"""Key -> its values, the weakest first."""


def kept(repository: Node, policy: Node | None, found: Findings) -> Node:
    """The repository's layer without values that are weaker than the policy's or else the default's; each is told."""
    defaults = Config()
    for (section, key), order in _STRICTER.items():
        node = repository.find((section, key))
        if node is None or node.origin.layer != "repository":
            continue
        theirs = policy.find((section, key)) if policy else None
        floor = theirs.value if theirs else getattr(getattr(defaults, section), key)
        if _rank(node.value, order) < _rank(floor, order):
            message = f"{node.origin}: {section}.{key} has no effect, since this checkout was not accepted"
            found.notice("untrusted-checkout", message, "look at the configuration, and accept it with `loom trust`")
            repository = _without(repository, section, key)
    return repository


def _rank(value: object, order: tuple[object, ...]) -> int:
    """How strict a value is. A wrong one is the weakest; that it is wrong was recorded when its layer was read."""
    return order.index(value) if value in order else -1


def _without(tree: Node, section: str, key: str) -> Node:
    below = tree.entries[section]
    rest = below.with_entries({name: node for name, node in below.entries.items() if name != key})
    return tree.with_entries({**tree.entries, section: rest})
