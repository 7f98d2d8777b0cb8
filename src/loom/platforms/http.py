"""The REST client that every platform uses: one origin, bounded answers, paging, paced and recorded writes, and typed
errors that never hold the token."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from loom.core.result import Action
from loom.infra.known_secrets import KnownSecrets
from loom.infra.net import NetError, Network, origin_of
from loom.infra.retry import Policy, RetryableError, retrying
from loom.platforms.answers import Asked, Reply, at, decoded, refusal, throttled, wait_s
from loom.platforms.base import DownError, LimitedError, PlatformError, RejectedError
from loom.platforms.values import Project, Token

__all__ = ["Api", "Pages", "Reply", "Setup"]

T = TypeVar("T")
Params = Mapping[str, str | int | None]
"""Query parameters; None leaves one out."""

_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next"?')
_LAST = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?last"?')
_CONNECTIONS = 6
"""Reads under way at once: far below what platforms take for abuse (GitHub: 100)."""
_ERROR_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a platform is made from: which pull request, with which token, over which network, until when."""

    project: Project
    number: int
    """Of the pull request; 0 where it is yet to be found (`pr_of_commit`)."""
    token: Token | None
    network: Network
    """Its rules name the project's origin (the job's own LOOM_ALLOW_HOSTS, or the CI's own address)."""
    policy: Policy = field(default_factory=Policy)
    deadline: float = float("inf")
    """By `policy.clock`: nothing is begun, and nothing waited for, after it."""
    now: Callable[[], datetime.datetime] = field(default=lambda: datetime.datetime.now(datetime.UTC))
    """For the times in the record of writes."""
    timeout_s: float = 30.0
    """Without a byte from the server."""
    server_version: str | None = None
    """As the CI tells it; None: unknown."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The items of all pages, in order."""

    items: tuple[object, ...]
    complete: bool
    """False when the cap on pages cut the list."""


class Api:
    """One platform's API below `root`, with one identity. Every error is a PlatformError (or a TrustError for a host
    that may not be called); `send` is the only way to change something there."""

    def __init__(
        self,
        setup: Setup,
        headers: Mapping[str, str],
        *,
        root: str | None = None,
        write_gap_s: float = 0.0,
        max_json: int = 32 << 20,
        max_pages: int = 100,
    ) -> None:
        """`headers` carry the token in the platform's own way; `root` is `setup.project.api_url` unless given."""
        self.root = (root or setup.project.api_url).rstrip("/")
        self.actions: list[Action] = []
        """Every write so far."""
        self._setup = setup
        self._origin = origin_of(self.root)
        self._headers = dict(headers)
        self._gap_s = write_gap_s
        self._max_json = max_json
        self._max_pages = max_pages
        self._free_at = float("-inf")
        self._writing = asyncio.Lock()
        self._reading = asyncio.Semaphore(_CONNECTIONS)
        setup.network.reserve(_CONNECTIONS)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get(self, path: str, params: Params | None = None) -> Reply:
        """A JSON document. Tried again after 429, 5xx and network trouble."""
        return await self._read("GET", self._url(path, params), None, {}, self._json)

    async def query(self, path: str, body: object) -> Reply:
        """A question that has to be POSTed (GraphQL): changes nothing, so it is tried again like `get`."""
        return await self._read("QUERY", self._url(path, None), _encoded(body), _JSON, self._json)

    async def raw(self, path: str, accept: str, params: Params | None = None, *, limit: int = 5 << 20) -> bytes:
        """A body as it is. Raises RejectedError (`platform-too-large`) where it has more than `limit` bytes."""

        def whole(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
            if len(body) > limit:
                raise RejectedError(
                    f"{asked.origin}: the answer to {asked} has more than {limit:,} bytes",
                    slug="platform-too-large",
                    status=status,
                )
            return body

        return await self._read("GET", self._url(path, params), None, {"accept": accept}, whole, limit=limit + 1)

    async def pages(self, path: str, params: Params | None = None, *, key: str | None = None) -> Pages:
        """The items of a paged list: the body itself, or its member `key`. What comes next stands in `Link`,
        `x-next-page` or the body's `next`; where the last page is known, the rest is read at once."""
        reply = await self.get(path, params)
        found, pages = _items(reply, key), 1
        ahead = self._ahead(path, reply)
        if ahead is not None:
            urls, complete = ahead
            for rest in await asyncio.gather(*(self.get(url) for url in urls)):
                found += _items(rest, key)
            return Pages(tuple(found), complete)
        while (url := self._next(path, params, reply)) is not None:
            if pages == self._max_pages:
                return Pages(tuple(found), False)
            reply = await self.get(url)
            found += _items(reply, key)
            pages += 1
        return Pages(tuple(found), True)

    # -- writing ------------------------------------------------------------------------------------------------------

    async def send(self, method: str, path: str, body: object = None, params: Params | None = None) -> Reply:
        """One write, after the one before it and not sooner than the gap. Tried again only where the server said that
        it did nothing (a rate limit) or was never reached. Raises DownError with `acted` where nobody knows: list and
        look for the marker before sending it again."""
        url = self._url(path, params)
        asked = self._asked(method, url)
        data = None if body is None else _encoded(_clean(body))

        async def attempt() -> Reply:
            await self._pace()
            status = 0
            try:
                status, headers, got = await self._exchange(method, url, data, _JSON if data else {}, self._max_json)
            except NetError as error:
                raise self._unsent_or_unknown(asked, error) from error
            finally:
                self._record(method, url, status)
            return self._judged(asked, status, headers, got, self._json)

        async with self._writing:
            return await self._persist(attempt)

    # -- one request --------------------------------------------------------------------------------------------------

    async def _read(
        self,
        method: str,
        url: str,
        data: bytes | None,
        headers: Mapping[str, str],
        use: Callable[[Asked, int, Mapping[str, str], bytes], T],
        *,
        limit: int | None = None,
    ) -> T:
        asked = self._asked(method, url)

        async def attempt() -> T:
            self._check_time()
            verb = "POST" if method == "QUERY" else method
            try:
                answer = await self._exchange(verb, url, data, headers, limit or self._max_json)
            except NetError as error:
                down = self._down(asked, error, acted=False)
                raise (RetryableError(down) if error.transient else down) from error
            return self._judged(asked, *answer, use)

        async with self._reading:
            return await self._persist(attempt)

    async def _exchange(
        self, method: str, url: str, data: bytes | None, headers: Mapping[str, str], limit: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        left = self._setup.deadline - self._setup.policy.clock()
        sent = {**self._headers, **headers}
        whole_s = min(left, self._setup.timeout_s * 10)
        try:
            async with (
                asyncio.timeout(whole_s),
                self._setup.network.exchange(
                    method, url, headers=sent, body=data, idle_s=self._setup.timeout_s
                ) as answer,
            ):
                good = 200 <= answer.status < 300
                return answer.status, answer.headers, await answer.body(limit if good else _ERROR_BYTES)
        except TimeoutError:
            raise NetError(f"{self._origin} did not answer in time", kind="timeout") from None

    def _judged(
        self,
        asked: Asked,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        use: Callable[[Asked, int, Mapping[str, str], bytes], T],
    ) -> T:
        """The answer put to use, or its error: a RetryableError where another try is safe and may help."""
        if 200 <= status < 300:
            try:
                return use(asked, status, headers, body)
            except DownError as broken:
                raise (broken if asked.writes else RetryableError(broken)) from None
        error = refusal(asked, status, headers, body, self.masked)
        if throttled(status, headers, error.said):
            raise RetryableError(error, after_s=wait_s(headers, error.said))
        again = isinstance(error, DownError) and status != 501 and not asked.writes
        raise RetryableError(error, after_s=wait_s(headers, "")) if again else error

    def _json(self, asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        if len(body) >= self._max_json:
            raise RejectedError(f"{asked.origin}: the answer to {asked} is too large", slug="platform-too-large")
        return decoded(asked, status, headers, body)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await retrying(attempt, policy=self._setup.policy, deadline=self._setup.deadline)

    async def _pace(self) -> None:
        policy = self._setup.policy
        wait = self._free_at - policy.clock()
        if wait > 0:
            if policy.clock() + wait >= self._setup.deadline:
                raise LimitedError(
                    "the time for this run ends before the platform takes another write", hint=_MORE_TIME
                )
            await policy.sleep(wait)
        self._check_time()
        self._free_at = policy.clock() + self._gap_s

    def _check_time(self) -> None:
        if self._setup.policy.clock() >= self._setup.deadline:
            raise LimitedError(f"{self._origin} was not called: the time for this run is used up", hint=_MORE_TIME)

    def _record(self, method: str, url: str, status: int) -> None:
        at_ = self._setup.now().astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.actions.append(Action(at_, method, self._short(url), status))

    # -- errors -------------------------------------------------------------------------------------------------------

    def _unsent_or_unknown(self, asked: Asked, error: NetError) -> Exception:
        down = self._down(asked, error, acted=error.kind in ("timeout", "broken", "too-large"))
        return RetryableError(down) if error.kind == "connect" else down

    def _down(self, asked: Asked, error: NetError, *, acted: bool) -> PlatformError:
        if error.kind == "redirect":
            return PlatformError(
                f"{asked}: {error.message}",
                hint="was the repository renamed or moved, is the address of the API right, or is the token needed?",
                slug="platform-redirect",
            )
        hint = _HINTS.get(error.kind, error.hint)
        return DownError(f"{asked}: {error.message}", hint=hint, acted=acted)

    def _asked(self, method: str, url: str) -> Asked:
        token = self._setup.token
        return Asked(
            method=method,
            path=self._short(url),
            origin=str(self._origin),
            variable=token.variable if token is not None else None,
        )

    def masked(self, text: str) -> str:
        """The text without the token, in whatever disguise a server may repeat it."""
        token = self._setup.token
        for start, end in reversed(KnownSecrets([token.value] if token is not None else []).spans(text)):
            text = f"{text[:start]}…{text[end:]}"
        return text

    # -- addresses ----------------------------------------------------------------------------------------------------

    def _url(self, path: str, params: Params | None) -> str:
        """`path` below the root, or a whole URL of the same origin (a next page, GraphQL)."""
        if "://" in path:
            if origin_of(path) != self._origin:
                raise PlatformError(f"{self._origin} names an address of another host; it was not called")
            url = path
        else:
            url = f"{self.root}/{path.lstrip('/')}"
        query = urlencode([(name, value) for name, value in (params or {}).items() if value is not None])
        return url if not query else f"{url}{'&' if '?' in url else '?'}{query}"

    def _short(self, url: str) -> str:
        """A URL as messages and the record show it: below the root, without its query."""
        bare = url.partition("?")[0]
        return bare.removeprefix(self.root) if bare.startswith(self.root) else urlsplit(bare).path

    def _next(self, path: str, params: Params | None, reply: Reply) -> str | None:
        link = _NEXT.search(reply.headers.get("link", ""))
        body_next = at(reply.json, "next")
        target = link[1] if link else body_next if isinstance(body_next, str) else ""
        if target:
            return self._own(path, target)
        page = reply.headers.get("x-next-page", "")
        return self._url(path, {**(params or {}), "page": page}) if page.isdigit() else None

    def _own(self, path: str, target: str) -> str:
        """The address of another page at our own origin. A server behind a proxy may name itself by a host that is not
        the one we call, and the token goes nowhere else: then only the query is taken over."""
        parts = urlsplit(target)
        try:
            if origin_of(target) == self._origin:
                return target
        except NetError:
            pass  # a relative address: its query is what counts
        return self._url(path.partition("?")[0], dict(parse_qsl(parts.query, keep_blank_values=True)))

    def _ahead(self, path: str, reply: Reply) -> tuple[list[str], bool] | None:
        """The addresses of all further pages where the server numbers them, and whether they are all."""
        header = reply.headers.get("link", "")
        following, last = _NEXT.search(header), _LAST.search(header)
        if not following or not last:
            return None
        first, final = _page_of(following[1]), _page_of(last[1])
        if first is None or final is None or final < first:
            return None
        end = min(final, self._max_pages)
        own = self._own(path, following[1])
        return [_with_page(own, page) for page in range(first, end + 1)], end == final


_JSON = {"content-type": "application/json"}
_MORE_TIME = "give it more time: --max-seconds"
_HINTS: Mapping[str, str] = {
    "connect": "check the address of the platform (LOOM_PLATFORM_URL), the network and the proxy variables",
    "timeout": "the platform is slow or overloaded; run again later",
    "broken": "the platform, or something in between, broke off; run again",
    "offline": "a pull request is read and posted over the network: leave --offline out",
}


def _encoded(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _clean(value: object) -> object:
    """The same without NUL, which GitLab and PostgreSQL refuse, and without lone surrogates, which no JSON may hold."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    return value


def _items(reply: Reply, key: str | None) -> list[object]:
    found = at(reply.json, key) if key is not None else reply.json
    if isinstance(found, dict) and isinstance(found.get("values"), list):  # Bitbucket
        found = found["values"]
    if not isinstance(found, list):
        raise PlatformError("the platform's answer is not a list", slug="platform-answer")
    return list(found)


def _page_of(url: str) -> int | None:
    page = dict(parse_qsl(urlsplit(url).query)).get("page", "")
    return int(page) if page.isdigit() else None


def _with_page(url: str, page: int) -> str:
    bare, _, query = url.partition("?")
    pairs = [(n, str(page) if n == "page" else v) for n, v in parse_qsl(query, keep_blank_values=True)]
    return f"{bare}?{urlencode(pairs)}"
