"""What a platform's API answered: the answer as a value, its refusals as typed errors, and typed access to its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from loom.infra.retry import asked_wait_s
from loom.infra.text import one_line
from loom.platforms.base import (
    AuthError,
    DeniedError,
    DownError,
    LimitedError,
    MissingError,
    PlatformError,
    RejectedError,
    StaleError,
)

Mask = Callable[[str], str]

_SAID = 300
_NO_REASON_S = 60.0
"""GitHub: without `retry-after`, wait at least a minute after a secondary limit (facts: platforms, section 2.9)."""
# What GitHub says with a 403 that is no matter of permissions (facts: platforms, section 2.9).
_THROTTLED = re.compile(r"secondary rate limit|abuse detection|rate limit exceeded|too quickly", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A good answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    json: Any = None
    """The body; None when there was none. Any: the shape is the server's affair; read it with the functions below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which request an answer belongs to, for messages."""

    method: str
    path: str
    origin: str
    variable: str | None
    """Where the token came from; None without one."""

    @property
    def writes(self) -> bool:
        """Whether the server was to change something."""
        return self.method not in ("GET", "QUERY")

    def __str__(self) -> str:
        return f"{'POST' if self.method == 'QUERY' else self.method} {self.path}"


def decoded(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """A 2xx answer. Raises AuthError for a sign-in page, DownError for something cut off or not JSON."""
    if status == 204 or not body.strip():
        return Reply(status=status, headers=headers)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise _sign_in(asked, status)
    try:
        return Reply(status=status, headers=headers, json=json.loads(body))
    except (ValueError, RecursionError):
        raise DownError(
            f"{asked.origin}: the answer to {asked} is not JSON",
            hint="is this the address of the API, and is a proxy in between?",
            status=status,
            acted=asked.writes,
        ) from None


def refusal(asked: Asked, status: int, headers: Mapping[str, str], body: bytes, mask: Mask) -> PlatformError:
    """The error for an answer that is not 2xx."""
    said = one_line(mask(_message(body)), _SAID) if (body := body.strip()) else ""
    where = f"{asked.origin} answered {asked} with HTTP {status}" + (f": {said}" if said else "")
    if throttled(status, headers, said):
        return LimitedError(where, hint=_limited_hint(headers, said), status=status, said=said)
    match status:
        case 401:
            return AuthError(where, hint=_auth_hint(asked), status=status, said=said)
        case 403:
            return DeniedError(where, hint=_denied_hint(asked, headers), status=status, said=said)
        case 404 | 410 if asked.writes:
            return DeniedError(where, hint=_denied_hint(asked, headers), status=status, said=said)
        case 404 | 410:
            hint = "check repository and number, and whether the token may see it: a 404 can hide a lacking permission"
            return MissingError(where, hint=hint, status=status, said=said)
        case 409:
            return StaleError(where, hint="run again: somebody changed it meanwhile", status=status, said=said)
        case _ if status >= 500 or status in (408, 425):
            return DownError(
                where, hint="the platform has a problem; run again later", status=status, said=said,
                acted=asked.writes and status != 501,
            )  # fmt: skip
        case _:
            hint = "the platform took what was sent for wrong; its own words say why (docs/platforms.md)"
            return RejectedError(where, hint=hint, status=status, said=said)


def throttled(status: int, headers: Mapping[str, str], said: str) -> bool:
    """Whether an answer is about how fast we are, and not about what we may. Such a request was not carried out."""
    if status == 429:
        return True
    exhausted = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    return status == 403 and (exhausted or bool(_THROTTLED.search(said)))


def wait_s(headers: Mapping[str, str], said: str) -> float | None:
    """How long a rate limit lasts, as far as the server tells: `retry-after`, else the reset of an exhausted
    allowance, against the answer's own date. None: it does not tell."""
    asked = asked_wait_s(headers)
    if asked is not None:
        return asked
    if headers.get("x-ratelimit-remaining") == "0" or headers.get("ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
        try:
            return max(0.0, float(reset) - parsedate_to_datetime(headers.get("date", "")).timestamp()) + 1.0
        except (ValueError, TypeError, OverflowError):
            return _NO_REASON_S
    return _NO_REASON_S if _THROTTLED.search(said) else None


def _sign_in(asked: Asked, status: int) -> AuthError:
    return AuthError(
        f"{asked.origin} answered {asked} with a web page, such as one to sign in on",
        hint=_auth_hint(asked) + "; is this the address of the API, and not of the web pages?",
        status=status,
    )


def _auth_hint(asked: Asked) -> str:
    if asked.variable is None:
        return "there is no token: set LOOM_TOKEN"
    return f"the token in {asked.variable} is wrong, has expired or was withdrawn"


def _denied_hint(asked: Asked, headers: Mapping[str, str]) -> str:
    who = f"the token in {asked.variable}" if asked.variable else "without a token one may not; set LOOM_TOKEN: it"
    needs = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes")
    if needs:  # what the endpoint takes: "pull_requests=write; issues=write"
        return f"{who} needs {one_line(needs, 120)}"
    return f"{who} lacks a permission for this (docs/platforms.md)"


def _limited_hint(headers: Mapping[str, str], said: str) -> str:
    seconds = wait_s(headers, said)
    return "run again later" + (f": the platform asks to wait {seconds:.0f} s" if seconds else "")


def _message(body: bytes) -> str:
    """The server's own words: `message`, `error` or `error_description`, and the details of `errors`."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return "" if body.lstrip()[:1] == b"<" else body[:_SAID].decode("utf-8", "replace")
    if not isinstance(found, dict):
        return found if isinstance(found, str) else ""
    main = next((_flat(found[k]) for k in ("message", "error_description", "error", "title") if found.get(k)), "")
    details = _flat(found.get("errors"))
    return f"{main} ({details})" if main and details and details not in main else main or details


def _flat(value: object) -> str:
    """Texts out of what servers put where a text belongs: lists, objects by field, objects with a message."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(_flat, value[:5])))
    if isinstance(value, dict):
        if isinstance(value.get("message"), str):
            return str(value["message"])
        return "; ".join(f"{key}: {_flat(inner)}" for key, inner in list(value.items())[:5])
    return "" if value is None else str(value)


# -- typed access -----------------------------------------------------------------------------------------------------


def at(value: object, *path: str) -> object:
    """What stands below these names; None where there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: object, *path: str) -> str:
    """A text that has to be there; a number counts as one (ids). Raises PlatformError."""
    found = text_or_none(value, *path)
    if found is None:
        raise _lacks(path)
    return found


def text_or_none(value: object, *path: str) -> str | None:
    """A text, or None for null, nothing, or something else."""
    found = at(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else None


def number(value: object, *path: str) -> int:
    """A whole number that has to be there. Raises PlatformError."""
    found = number_or_none(value, *path)
    if found is None:
        raise _lacks(path)
    return found


def number_or_none(value: object, *path: str) -> int | None:
    """A whole number, or None for null, nothing, or something else."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def flag(value: object, *path: str) -> bool:
    """Whether there is a true value."""
    return at(value, *path) is True


def items(value: object, *path: str) -> list[object]:
    """A list; an empty one for null, nothing, or something else."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def _lacks(path: tuple[str, ...]) -> PlatformError:
    return PlatformError(
        f"the platform's answer has no usable `{'.'.join(path)}`",
        hint="is this the address of the API, in a version that Loom knows (docs/platforms.md)?",
        slug="platform-answer",
    )
