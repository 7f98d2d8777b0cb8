"""Tables of members: name -> "module:attribute", imported when used, with an error that names the nearest member."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from loom.core.errors import UsageError, did_you_mean


def load(table: Mapping[str, str], name: str, *, what: str) -> Any:
    """The member called `name`. `what` names the family in the error ("output format"). Raises UsageError.

    Returns Any: a table holds classes and functions of one family; the caller annotates with the family's Protocol.
    """
    if name not in table:
        known = ", ".join(sorted(table))
        raise UsageError(f'unknown {what} "{name}".{did_you_mean(name, table)}', hint=f"known: {known}")
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
