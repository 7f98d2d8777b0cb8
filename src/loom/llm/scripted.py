"""A model that answers from a script: for tests, demonstrations and trying out a configuration. No network.

A script is a JSON list; the first entry whose `when` occurs in the prompt (or that has none) answers:
[{"when": "src/cart.py", "reply": {"findings": []}, "finish": "stop", "delay_ms": 0, "usage": {"input_tokens": 900}}]
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from loom.core import tokens
from loom.core.errors import UsageError, did_you_mean
from loom.llm.base import Finish, NoReplyError, OnTokens, Reply, Request, Settings, TokenUsage

_FINISHES = frozenset(get_args(Finish))
_KEYS = frozenset({"when", "reply", "finish", "detail", "delay_ms", "usage", "error"})
_USAGE_KEYS = frozenset({"input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a script."""

    reply: str
    when: str | None = None
    """Text that must occur in system, context or prompt; None: always."""
    finish: Finish = "stop"
    detail: str = ""
    delay_ms: int = 0
    usage: Mapping[str, int] = field(default_factory=dict)
    """Fields of TokenUsage; what is missing is estimated."""
    error: str | None = None
    """The slug of a NoReplyError to raise instead; `reply` is its message."""


Script = Sequence[Line] | Callable[[Request], "Line | str | Mapping[str, Any]"]


class Scripted:
    """base.Model over a script. A function as script sees the request; it returns a Line, a text or JSON."""

    context_window = 128_000
    token_family = "openai"  # noqa: S105 - a tokenizer, not a credential
    obstacle = None

    def __init__(
        self,
        script: Script,
        *,
        name: str = "script",
        version: str = "",
        max_concurrency: int = 8,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._script = script
        self._name = name
        self._version = f"@{version}" if version else ""
        self._sleep = sleep
        self.max_concurrency = max_concurrency
        self.requests: list[Request] = []
        """What was asked, for tests."""

    @property
    def identity(self) -> str:
        """See base.Model. A script from a file has its digest in it, so that an edited script is asked again."""
        return f"scripted {self._name}{self._version}"

    async def prepare(self, *, deadline: float) -> None:
        """See base.Model."""

    async def complete(self, request: Request, *, deadline: float, on_tokens: OnTokens | None = None) -> Reply:
        """See base.Model."""
        self.requests.append(request)
        line = self._line(request)
        if line.delay_ms:
            await self._sleep(line.delay_ms / 1000)
        if line.error is not None:
            raise NoReplyError(line.reply or "the script says that it fails", slug=line.error, requests=1)
        if on_tokens is not None:
            on_tokens(len(line.reply))
        return Reply(
            text=line.reply, finish=line.finish, usage=_usage(line, request), model=self._name, detail=line.detail
        )

    def cost_usd(self, usage: TokenUsage) -> float | None:
        """See base.Model. A script is free."""
        return 0.0

    async def aclose(self) -> None:
        """See base.Model."""

    def _line(self, request: Request) -> Line:
        if callable(self._script):
            answer = self._script(request)
            return answer if isinstance(answer, Line) else Line(reply=_text(answer))
        asked = f"{request.system}\n{request.context}\n{request.prompt}"
        for line in self._script:
            if line.when is None or line.when in asked:
                return line
        raise NoReplyError(
            f"{self._name} has no answer for this prompt",
            hint=f'add an entry to {self._name}; one without "when" answers everything',
            slug="model-script",
        )


def from_settings(settings: Settings, *, read: Callable[[str], bytes | None]) -> Scripted:
    """The scripted model of a configuration: `model` is the path of the script below `.loom/`. Raises UsageError."""
    path = settings.model.removeprefix(".loom/")
    data = read(path)
    if data is None:
        raise UsageError(f"the script .loom/{path} is not there", hint="`model` of a scripted model names a JSON file")
    return Scripted(
        parse(data, where=f".loom/{path}"),
        name=path,
        version=hashlib.sha256(data).hexdigest()[:12],
        max_concurrency=settings.max_concurrency or 8,
    )


def parse(data: bytes, *, where: str) -> tuple[Line, ...]:
    """The lines of a script. Raises UsageError that names the entry."""
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise UsageError(f"{where}: a script is a list of entries", hint='[{"reply": {"findings": []}}]')
    return tuple(_entry(entry, f"{where}: entry {number}") for number, entry in enumerate(entries, 1))


def _entry(entry: object, where: str) -> Line:
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is not an object", hint='{"when": null, "reply": {"findings": []}}')
    for key in entry:
        if key not in _KEYS:
            raise UsageError(f'{where}: unknown key "{key}".{did_you_mean(key, _KEYS)}')
    finish, delay, usage = entry.get("finish", "stop"), entry.get("delay_ms", 0), entry.get("usage", {})
    when, error = entry.get("when"), entry.get("error")
    if finish not in _FINISHES:
        raise UsageError(f'{where}: "finish" is one of {", ".join(sorted(_FINISHES))}')
    if not isinstance(delay, int) or delay < 0:
        raise UsageError(f'{where}: "delay_ms" is a whole number of milliseconds')
    if not isinstance(usage, dict) or not usage.keys() <= _USAGE_KEYS or not all(_is_count(v) for v in usage.values()):
        raise UsageError(f'{where}: "usage" holds whole numbers under {", ".join(sorted(_USAGE_KEYS))}')
    if not all(value is None or isinstance(value, str) for value in (when, error)):
        raise UsageError(f'{where}: "when" and "error" are texts or null')
    return Line(
        reply=_text(entry.get("reply", "")),
        when=when,
        finish=finish,
        detail=str(entry.get("detail", "")),
        delay_ms=delay,
        usage=usage,
        error=error,
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(reply: object) -> str:
    return reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)


def _usage(line: Line, request: Request) -> TokenUsage:
    asked = sum(tokens.estimate(part) for part in (request.system, request.context, request.prompt))
    return TokenUsage(
        input_tokens=line.usage.get("input_tokens", asked),
        cached_tokens=line.usage.get("cached_tokens", 0),
        cache_write_tokens=line.usage.get("cache_write_tokens", 0),
        output_tokens=line.usage.get("output_tokens", tokens.estimate(line.reply)),
        estimated=not line.usage,
    )
