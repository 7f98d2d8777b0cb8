"""What the wire formats share: the call to send, the draft that a stream fills, what a failure says, and what a server
has taught us about itself. Values and pure functions; sending is `conversation`'s business."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from loom.infra.streams import Event
from loom.llm.base import Finish, Request, TokenUsage
from loom.llm.endpoints import Endpoint, MaxField, SchemaMode

MAX_TEXT = 4 << 20
"""Characters of an answer; 128k tokens of English are a sixth of it."""

Json = dict[str, Any]
"""A decoded JSON object from a server: anything may be in it, so readers check."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that does not show itself."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a model lives and what to ask it with."""

    endpoint: Endpoint
    base_url: str
    """Without a slash at the end; may have a query (Azure's api-version)."""
    model: str
    key: Secret | None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """From the configuration; they win over ours."""

    def url(self, path: str) -> str:
        """base_url plus `path`, before the query if there is one. A base that ends with `path` already is kept."""
        base, mark, query = self.base_url.partition("?")
        base = base.rstrip("/")
        return (base if base.endswith(path) else base + path) + mark + query


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Json

    def encoded(self) -> bytes:
        """The body as sent. Lone surrogates (undecodable bytes of a file) become "?"."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a server takes, as far as we know; learnt once per run and host and model."""

    schema: SchemaMode
    max_field: MaxField
    refused: frozenset[str] = frozenset()
    """Names of optional fields (or habits, such as "system") that it does not take."""
    max_tokens_cap: int | None = None
    """It refused more than this."""
    window: int = 32_768
    """Context window in tokens, for servers that must be told (Ollama)."""

    def takes(self, name: str) -> bool:
        """Whether the field may be sent."""
        return name not in self.refused


@dataclass(slots=True)
class Draft:
    """An answer on its way in. `finish` is None until the server says how it ended."""

    parts: list[str] = field(default_factory=list)
    heard: int = 0
    """Characters received, thinking included."""
    size: int = 0
    finish: Finish | None = None
    detail: str = ""
    usage: TokenUsage | None = None
    model: str = ""
    cost_usd: float | None = None
    failure: Failure | None = None
    """An error that came inside the stream, under HTTP 200."""

    def say(self, text: object) -> None:
        """Add to the answer; anything but text is ignored."""
        if isinstance(text, str) and text:
            self.parts.append(text)
            self.size += len(text)
            self.heard += len(text)

    def think(self, text: object) -> None:
        """Count thinking, which is not kept."""
        if isinstance(text, str):
            self.heard += len(text)

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.parts)


FailureKind = Literal["auth", "not-found", "quota", "rate", "context", "blocked", "bad-request", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a server said instead of an answer."""

    kind: FailureKind
    status: int
    message: str
    """Its words: untrusted, not yet shortened or masked."""
    field: str | None = None
    """The request field it names."""
    after_s: float | None = None
    """How long it asks to wait."""
    retry: bool = False
    """Whether another try may go better."""


class Wire(Protocol):
    """One wire format, bound to a target."""

    @property
    def target(self) -> Target:
        """Where it talks to."""

    @property
    def framing(self) -> Literal["sse", "ndjson"]:
        """How the answer is streamed."""

    @property
    def rules(self) -> tuple[FieldRule, ...]:
        """How refusals of fields are recognised, first match wins."""

    def headers(self) -> dict[str, str]:
        """The headers of every request, the key among them."""

    def call(self, request: Request, traits: Traits) -> Call:
        """The request as this server takes it."""

    def feed(self, draft: Draft, event: Event) -> None:
        """Take in one event. Raises ValueError when it is not what this format sends."""

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """What an answer with a status of 400 or more says."""

    def settle(self, draft: Draft, input_estimate: int) -> None:
        """A last look at a finished draft, with our own estimate of the prompt's tokens."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """When an error mentions one of `words`, stop sending `field`; "schema" and "max_tokens" step down instead."""

    field: str
    words: tuple[str, ...]


_SCHEMA_STEPS: dict[SchemaMode, SchemaMode] = {"json_schema": "json_object", "json_object": "prompt"}
_MAX_STEPS: dict[MaxField, MaxField] = {
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_completion_tokens",
}


def adapted(traits: Traits, failure: Failure, rules: tuple[FieldRule, ...], request: Request) -> Traits | None:
    """What to send instead, when the failure names a field that can be left out or said differently; else None.

    Some servers answer 500 to a field they do not know (llama-cpp-python to `json_schema`): the status counts little.
    """
    if failure.kind not in ("bad-request", "server", "not-found"):
        return None
    text = f"{failure.field or ''} {failure.message}".lower()
    for rule in rules:
        if not traits.takes(rule.field) or not any(word in text for word in rule.words):
            continue
        match rule.field:
            case "schema":
                changed = _less_schema(traits, request)
            case "max_tokens":
                changed = _other_limit(traits, text, output_limit(request, traits))
            case _:
                changed = replace(traits, refused=traits.refused | {rule.field})
        if changed is not None:
            return changed
    return None


def _less_schema(traits: Traits, request: Request) -> Traits | None:
    step = _SCHEMA_STEPS.get(traits.schema)
    return replace(traits, schema=step) if step and request.schema is not None else None


def _other_limit(traits: Traits, text: str, sent: int) -> Traits | None:
    """A lower limit when the server says what it allows ("8000 > 4096"), else the limit under its other name."""
    numbers = {int(n) for n in _numbers(text) if len(n) < 9}
    lower = [n for n in numbers if 512 <= n < sent]
    if sent in numbers and lower:
        return replace(traits, max_tokens_cap=max(lower))
    step = _MAX_STEPS[traits.max_field]
    if step in traits.refused:
        return None
    return replace(traits, max_field=step, refused=traits.refused | {traits.max_field})


def _numbers(text: str) -> list[str]:
    return "".join(c if c.isdigit() else " " for c in text.replace(",", "")).split()


def with_schema_in_words(request: Request, traits: Traits) -> str:
    """The system text; where the server does not take the schema as such, the schema is said in words at its end."""
    if request.schema is None or traits.schema == "json_schema":
        return request.system
    schema = json.dumps(request.schema, ensure_ascii=False, separators=(",", ":"))
    return (
        f"{request.system}\n\nAnswer with one JSON object, and nothing else, that matches this JSON Schema:\n{schema}"
    )


def user_text(request: Request) -> str:
    """Context and prompt as one text: consecutive user messages break the chat templates of several local models."""
    return f"{request.context}\n\n{request.prompt}" if request.context else request.prompt


def output_limit(request: Request, traits: Traits, default: int = 8000) -> int:
    """How many tokens to ask for."""
    wanted = request.max_tokens or default
    return min(wanted, traits.max_tokens_cap) if traits.max_tokens_cap else wanted


def decoded(event: Event) -> Any:
    """The JSON of an event. Raises ValueError."""
    try:
        return json.loads(event.data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def as_dict(value: object) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def first(value: object) -> Json:
    """The first element if `value` is a list of objects, else an empty object."""
    return as_dict(value[0]) if isinstance(value, list) and value else {}


def count(value: object) -> int:
    """A token count: a non-negative whole number, or 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
