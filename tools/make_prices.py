"""Write src/loom/core/prices.json from the data of the `genai-prices` package (MIT). Run at release time, in an
environment of its own, because the package pulls in more than Loom may depend on:

    python -m venv /tmp/prices && /tmp/prices/bin/pip install genai-prices
    /tmp/prices/bin/python tools/make_prices.py

A row is [input, output, cached input, cache write, context window, tier], prices in USD per million tokens, null where
not known; `tier` is null or [from how many input tokens on, input, output, cached input, cache write].
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

# Our endpoint name -> the package's provider id.
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "together": "together",
    "fireworks": "fireworks",
    "xai": "x-ai",
    "cerebras": "cerebras",
    "moonshot": "moonshotai",
    "openrouter": "openrouter",
}
# OpenRouter lists a thousand models and reports the cost of each request itself; these are for estimates beforehand.
OPENROUTER_VENDORS = (
    "anthropic/",
    "openai/",
    "google/gemini",
    "deepseek/",
    "x-ai/",
    "qwen/qwen3",
    "mistralai/",
    "z-ai/",
)
# Speak or draw or embed; nobody reviews code with them.
NOT_CHAT = re.compile(
    r"embed|audio|image|tts|whisper|transcri|realtime|dall|speech|moderation|guard|rerank|\bocr\b|-vl\b|vision|search|"
    r"live|lyria|veo|imagen|banana|omni|computer-use|robotics|orpheus|playai|babbage|davinci|\bada\b|curie|text-|claude-2|claude-instant|"
    r"claude-3-(opus|haiku|sonnet)|gpt-3|gpt-4-|\.ft|gemini-(1|flash|pro)|grok-2|llama-2|mixtral|gemma-7b|codellama"
)  # fmt: skip


def main() -> None:
    """Write the table and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src/loom/core/prices.json")
    parser.add_argument("--date", default=datetime.datetime.now(tz=datetime.UTC).date().isoformat())
    options = parser.parse_args()
    from genai_prices.data import providers  # type: ignore[import-not-found]  # not a dependency, see above

    by_id = {p.id: p for p in providers}
    when = datetime.datetime.combine(datetime.date.fromisoformat(options.date), datetime.time(), tzinfo=datetime.UTC)
    table = {ours: rows(by_id[theirs], when) for ours, theirs in PROVIDERS.items()}
    version = importlib.metadata.version("genai-prices")
    document = {"date": options.date, "source": f"genai-prices {version} (MIT)", "providers": table}
    options.out.write_text(dump(document), encoding="utf-8")
    sys.stdout.write(f"{options.out}: {sum(map(len, table.values()))} models, {options.out.stat().st_size} bytes\n")


def rows(provider: Any, when: datetime.datetime) -> dict[str, list[Any]]:
    """Model name -> row, for the chat models of one provider, aliases included, sorted."""
    found: dict[str, list[Any]] = {}
    for model in provider.models:
        if not wanted(provider.id, model.id.lower()):
            continue
        price = model.get_prices(when)
        if price.input_mtok is None or price.output_mtok is None:
            continue
        row = as_row(price, model.context_window)
        for name in {model.id.lower(), *exact_names(model.match, model.id.lower())}:
            found.setdefault(name, row)
    return dict(sorted(found.items()))


def wanted(provider: str, name: str) -> bool:
    """Whether anybody would review code with it."""
    if NOT_CHAT.search(name) or name.endswith(":batch"):
        return False
    if provider == "openrouter":
        return name.startswith(OPENROUTER_VENDORS) and not name.endswith((":free", ":thinking", ":extended"))
    return not (provider == "google" and not name.startswith("gemini"))


def exact_names(clause: Any, identifier: str) -> set[str]:
    """The names that a match clause spells out. A date at the end is left out: the look-up strips dates itself."""
    nested = getattr(clause, "or_", None)
    if nested is not None:
        return set().union(*(exact_names(c, identifier) for c in nested))
    name = str(getattr(clause, "equals", "") or getattr(clause, "starts_with", "") or "").lower()
    bare = re.sub(r"[-@](latest|\d{8}|\d{4}-\d{2}-\d{2})$", "", name)
    return {bare} if len(bare) > 3 and bare == name and not name.endswith(("-", "@", ".")) else set()


def as_row(price: Any, window: int | None) -> list[Any]:
    """A row as described at the top."""
    kinds = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
    starts = [t.start for k in kinds for t in getattr(k, "tiers", ())]
    tier = [min(starts), *(top(k) for k in kinds)] if starts else None
    return [*(base(k) for k in kinds), window, tier]


def base(kind: Any) -> float | None:
    """The price of the first token."""
    return None if kind is None else number(getattr(kind, "base", kind))


def top(kind: Any) -> float | None:
    """The price once the (first) tier is reached."""
    tiers = getattr(kind, "tiers", ())
    return number(tiers[0].price) if tiers else base(kind)


def number(value: Any) -> float | int:
    """A float that is written as short as can be."""
    figure = float(value)
    return int(figure) if figure.is_integer() else figure


def dump(document: dict[str, Any]) -> str:
    """JSON with one model a line, so that a price change is a one-line diff."""
    blocks = []
    for name, models in document["providers"].items():
        lines = ",\n".join(f"{json.dumps(m)}:{json.dumps(r, separators=(',', ':'))}" for m, r in models.items())
        blocks.append(f"{json.dumps(name)}:{{\n{lines}\n}}")
    head = ",".join(f"{json.dumps(k)}:{json.dumps(document[k])}" for k in ("date", "source"))
    return f'{{{head},"providers":{{\n' + ",\n".join(blocks) + "\n}}\n"


if __name__ == "__main__":
    main()
