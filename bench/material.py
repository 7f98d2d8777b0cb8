"""What is reviewed: a repository with a change in it, the same every time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import polyglot

_PART = '''

def invoice_{n}(order, customer, *, currency="EUR"):
    """The lines of order {n} as an invoice."""
    lines = [line for line in order.lines if line.quantity]
    if not lines:
        return None
    total = sum(line.price * line.quantity for line in lines)
    if customer.discount:
        total -= total * customer.discount
    tax = total * RATES[customer.country]
    return Invoice(customer, lines, total=total, tax=tax, currency=currency)
'''

_HEAD = '"""Invoices of region {number}."""\n\nfrom __future__ import annotations\n\nfrom shop.rates import RATES\n'

_CHANGED = (
    "    total = sum(line.price * line.quantity for line in lines)\n",
    "    total = round(sum(line.price * line.quantity for line in lines), 2)\n    audit.info(customer.id, total)\n",
)


def repository(root: Path, *, files: int, hunks: int, config: str | None) -> int:
    """Make a repository at `root` whose working tree changes `files` files in `hunks` places each. Returns the bytes of
    the diff, as `git diff` prints it. `config`: the text of .loom/config.yaml, part of the last commit."""
    parts = max(12, 2 * hunks)
    texts = {f"src/shop/region_{n:02}.py": _text(n, parts) for n in range(files)}
    _commit(root, texts, config)
    changed = {path: _change(text, hunks) for path, text in texts.items() if path.endswith(".py")}
    _write(root, changed)
    return len(_git(root, "diff"))


def six_languages(root: Path, *, files: int, config: str) -> int:
    """The same with files in six languages that gain about fifty lines each. Returns the number of changed lines."""
    _commit(root, polyglot.before(files), config)
    _write(root, polyglot.after(files))
    return sum(line.startswith((b"+", b"-")) for line in _git(root, "diff", "-U0").split(b"\n")) - 2 * files


def _commit(root: Path, texts: dict[str, str], config: str | None) -> None:
    extra = {} if config is None else {".loom/config.yaml": config}
    _write(root, {**texts, **extra})
    _git(root, "init", "-q", "-b", "main")
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "base")


def config(base_url: str, pipelines: Iterable[str]) -> str:
    """A configuration with one model and these LLM pipelines. `max_concurrency`: the usual 8 and not the 2 of loopback,
    which spares a graphics card and would make five pipelines wait for each other."""
    named = "".join(f"  - name: {name}\n    model: default\n" for name in pipelines)
    model = f"    base_url: {base_url}\n    model: bench-model\n    max_concurrency: 8\n"
    return f"models:\n  default:\n{model}pipelines:\n{named}"


def _text(number: int, parts: int) -> str:
    return _HEAD.format(number=number) + "".join(_PART.replace("{n}", str(n)) for n in range(parts))


def _change(text: str, hunks: int) -> str:
    """Change every other function, from the first on, so that the hunks stay apart."""
    pieces = text.split(_CHANGED[0])
    ends = [_CHANGED[n % 2 == 0 and n // 2 < hunks] for n in range(len(pieces) - 1)]
    return "".join(piece + end for piece, end in zip(pieces, [*ends, ""], strict=True))


def _write(root: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def _git(root: Path, *args: str) -> bytes:
    author = {
        f"GIT_{who}_{what}": "bench@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    env = {"PATH": os.environ["PATH"], "HOME": str(root.parent), "GIT_CONFIG_NOSYSTEM": "1", **author}
    return subprocess.run(["git", *args], cwd=root, env=env, check=True, capture_output=True).stdout
