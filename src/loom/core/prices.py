"""What a request costs, from a dated table beside this file (tools/make_prices.py writes it). Unknown: None."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

_PER = 1_000_000

# "-20251001", "-2025-08-07", "@20251001", "-latest", "-preview-05-20": the same model at the same price.
_VERSION = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)|-preview(?:-\d{2}-\d{2,4})?)$")

# Hosts that bill another provider's models at that provider's price, names alike.
_SAME_AS = {"azure": "openai"}


class Tokens(Protocol):
    """What was used. Input counts everything: uncached, cache reads and cache writes."""

    @property
    def input_tokens(self) -> int: ...  # noqa: D102
    @property
    def cached_tokens(self) -> int: ...  # noqa: D102
    @property
    def cache_write_tokens(self) -> int: ...  # noqa: D102
    @property
    def output_tokens(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """USD per million tokens. None: billed as ordinary input."""

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of the table."""

    rate: Rate
    window: int | None
    """Context window in tokens."""
    long_from: int | None = None
    """Above this many input tokens every token of the request is billed at `long_rate`."""
    long_rate: Rate | None = None


def cost_usd(provider: str, model: str, usage: Tokens) -> float | None:
    """What `usage` cost at `provider` (an endpoint's name: openai, anthropic …). None: the price is not known."""
    entry = find(provider, model)
    if entry is None:
        return None
    long = entry.long_rate if entry.long_from is not None and usage.input_tokens > entry.long_from else None
    return at_rate(long or entry.rate, usage)


def at_rate(rate: Rate, usage: Tokens) -> float:
    """What `usage` costs at `rate`, in USD."""
    plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
    cached = rate.input if rate.cached_input is None else rate.cached_input
    write = rate.input if rate.cache_write is None else rate.cache_write
    total = (
        plain * rate.input
        + usage.cached_tokens * cached
        + usage.cache_write_tokens * write
        + usage.output_tokens * rate.output
    )
    return total / _PER


def window(provider: str, model: str) -> int | None:
    """The context window of a model in tokens, where the table knows it."""
    entry = find(provider, model)
    return entry.window if entry else None


def find(provider: str, model: str) -> Entry | None:
    """The entry of a model. Exact names only, once the version at the end is off: a guess would be a wrong bill."""
    models = _table()[1].get(_SAME_AS.get(provider, provider), {})
    name = model.lower().removeprefix("models/")
    row = models.get(name)
    while row is None and (bare := _VERSION.sub("", name)) != name:
        name = bare
        row = models.get(name) or models.get(f"{name}-latest") or models.get(f"{name}-preview")
    return _entry(row) if row is not None else None


def table_date() -> str:
    """The day of the table, ISO 8601."""
    return _table()[0]


_Row = list[float | list[float | None] | None]


@functools.cache
def _table() -> tuple[str, dict[str, dict[str, _Row]]]:
    document = json.loads(Path(__file__).with_name("prices.json").read_bytes())
    return document["date"], document["providers"]


def _entry(row: _Row) -> Entry:
    *plain, window_, tier = row
    if not isinstance(tier, list):
        return Entry(rate=_rate(plain), window=cast("int | None", window_))
    return Entry(
        rate=_rate(plain), window=cast("int | None", window_), long_from=int(tier[0] or 0), long_rate=_rate(tier[1:])
    )


def _rate(numbers: list[float | None] | _Row) -> Rate:
    uncached, output, cached, write = cast("list[float | None]", numbers)
    return Rate(input=uncached or 0.0, output=output or 0.0, cached_input=cached, cache_write=write)
