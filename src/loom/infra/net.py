"""The network as Loom uses it: which hosts may be called, over which connections, with which errors. The HTTP library
is touched in `http_client` only and imported with the first request, so importing this module is cheap."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from loom.core.errors import TrustError, UnitError
from loom.infra.retry import Policy

if TYPE_CHECKING:
    from loom.infra.http_client import HttpClient

T = TypeVar("T")

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

# Cloud metadata services that are not link-local: Alibaba's, and Amazon's over IPv6.
_METADATA = frozenset({"100.100.100.200", "fd00:ec2::254"})

Kind = Literal["connect", "tls", "timeout", "broken", "redirect", "too-large", "proxy", "offline", "url"]


class NetError(UnitError):
    """The other side could not be reached or did not speak proper HTTP."""

    default_slug = "network"

    def __init__(self, message: str, *, kind: Kind, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind

    @property
    def transient(self) -> bool:
        """Whether another try may go better."""
        return self.kind in ("connect", "timeout", "broken")


@dataclass(frozen=True, slots=True)
class Origin:
    """The scheme, host and port of a URL: what may be named in messages, where paths and queries may hold keys."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}.get(self.scheme)
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    @property
    def is_loopback(self) -> bool:
        """Whether the name says that it is this machine. `*.localhost` is not trusted to."""
        return self.host in LOOPBACK_NAMES or _is_loopback_ip(self.host)


def origin_of(url: str) -> Origin:
    """The origin of an http(s) URL. Raises NetError for anything else, without repeating it."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise NetError("not an http:// or https:// address", kind="url", hint=_URL_HINT) from None
    if not parts.hostname or parts.username or parts.password:
        what = (
            "a user name or password does not belong into an address" if parts.hostname else "an address needs a host"
        )
        raise NetError(what, kind="url", hint=_URL_HINT)
    return Origin(parts.scheme, parts.hostname.rstrip("."), port)


_URL_HINT = "write it like https://host/v1; a key goes into the variable named by api_key_env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which hosts may be called (docs/security-model.md). Loopback always may."""

    builtin: frozenset[str] = frozenset()
    """Public hosts that Loom knows; a private address behind one is refused."""
    named: frozenset[str] = frozenset()
    """What the job's own LOOM_ALLOW_HOSTS names (or an accepted local configuration): `host`, `host:port`, or
    `http://host[:port]` where plain http is wanted. Private addresses are fine."""
    offline: bool = False
    """Nothing but loopback."""

    def check(self, url: str) -> Origin:
        """The origin of `url` if it may be called. Raises TrustError (or NetError for offline and malformed URLs)."""
        origin = origin_of(url)
        if origin.is_loopback:
            return origin
        if self.offline:
            raise NetError(f"{origin} was not called: --offline", kind="offline", hint="use a model on this machine")
        if origin.host not in self.builtin and not self._is_named(origin):
            raise TrustError(
                f"{origin.host} is not an allowed host", slug="host-not-allowed", hint=f"LOOM_ALLOW_HOSTS={origin.host}"
            )
        if origin.scheme == "http" and not self._is_named(origin, plain=True):
            raise TrustError(
                f"{origin} would be called without encryption",
                slug="host-not-allowed",
                hint=f"use https, or name it in full: LOOM_ALLOW_HOSTS={origin}",
            )
        if _is_ip(origin.host):
            self.check_address(origin, origin.host)
        return origin

    def check_address(self, origin: Origin, address: str) -> None:
        """Refuse what a name may not resolve to: link-local and metadata addresses, and private ones unless named."""
        ip = _unmapped(address)
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or str(ip) in _METADATA:
            raise TrustError(f"{origin.host} is a link-local or metadata address ({ip})", slug="host-not-allowed")
        if not ip.is_global and not origin.is_loopback and not self._is_named(origin):
            raise TrustError(
                f"{origin.host} resolves to a private address ({ip})",
                slug="host-not-allowed",
                hint=f"if that is meant: LOOM_ALLOW_HOSTS={origin.host}",
            )

    def _is_named(self, origin: Origin, *, plain: bool = False) -> bool:
        in_full = {f"http://{origin.host}", f"http://{origin.host}:{origin.port}", str(origin)}
        if plain:
            return bool(in_full & self.named)
        return bool({*in_full, origin.host, f"{origin.host}:{origin.port}"} & self.named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """Proxies by scheme, and the hosts that are called directly. Loopback always is."""

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    direct: tuple[str, ...] = ()
    """Host names; a leading dot or none matches subdomains too; "*" is everything."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Proxies:
        """The usual variables, upper or lower case. HTTP_PROXY in upper case is ignored where a CGI server could have
        set it from a request header (httpoxy)."""

        def get(name: str) -> str | None:
            upper = None if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper())
            return environ.get(name) or upper or None

        everything = get("all_proxy")
        direct = tuple(h.strip().lower() for h in (get("no_proxy") or "").split(",") if h.strip())
        return cls(http=get("http_proxy") or everything, https=get("https_proxy") or everything, direct=direct)

    def of(self, origin: Origin) -> str | None:
        """The proxy for an origin; None: directly."""
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or origin.is_loopback or any(self._matches(origin, rule) for rule in self.direct):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    @staticmethod
    def _matches(origin: Origin, rule: str) -> bool:
        bare = rule.lstrip("*").lstrip(".")
        if rule == "*" or rule in (origin.host, f"{origin.host}:{origin.port}"):
            return True
        if "/" in rule and _is_ip(origin.host):
            with contextlib.suppress(ValueError):
                return ipaddress.ip_address(origin.host) in ipaddress.ip_network(rule, strict=False)
        return origin.host == bare or origin.host.endswith(f".{bare}")


class Answer(Protocol):
    """An HTTP answer whose body has not been read yet."""

    @property
    def status(self) -> int:
        """The status code; never a redirect."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises NetError (timeout, broken)."""

    async def body(self, limit: int = 1 << 20) -> bytes:
        """The body, at most `limit` bytes of it. Raises NetError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to connect."""

    rules: Rules = field(default_factory=Rules)
    proxies: Proxies = field(default_factory=Proxies)
    ca_bundle: str | None = None
    """A PEM file trusted besides the system's authorities (LOOM_CA_BUNDLE, SSL_CERT_FILE)."""
    connect_s: float = 10.0
    policy: Policy = field(default_factory=Policy)


class Network:
    """The connections of one run. Belongs to one event loop; close it with `aclose`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.requests_sent = 0
        self._client: HttpClient | None = None
        self._connections = 0
        self._known: dict[Hashable, object] = {}

    @property
    def policy(self) -> Policy:
        """How to retry."""
        return self.settings.policy

    def reserve(self, connections: int) -> None:
        """Announce how many requests a member will have under way, before the first one. The pool is as large as their
        sum: a larger one costs CPU (the pool is searched linearly), a smaller one makes requests queue unseen."""
        self._connections += connections

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value kept under `key` for this run, made at first use: what is learnt about a server is learnt once."""
        if key not in self._known:
            self._known[key] = make()
        return cast(T, self._known[key])

    def warm_up(self) -> None:
        """Import the HTTP library now (0.1 s of CPU), in a thread, while something else is waited for."""
        from loom.infra import http_client  # noqa: F401

    @contextlib.asynccontextmanager
    async def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, idle_s: float = 30.0
    ) -> AsyncIterator[Answer]:
        """Send one request and hand over the answer. Raises TrustError for a host that may not be called, NetError for
        everything that went wrong below HTTP, and for a redirect: a key must not follow one."""
        origin = self.settings.rules.check(url)
        client = self._client
        if client is None:
            from loom.infra.http_client import HttpClient

            client = self._client = HttpClient(self.settings, max_connections=max(4, self._connections))
        self.requests_sent += 1
        async with client.exchange(method, url, origin, headers=headers, body=body, idle_s=idle_s) as answer:
            if 300 <= answer.status < 400:
                raise _redirected(origin, answer)
            yield answer

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, limit: int = 1 << 20, timeout_s: float = 30.0
    ) -> tuple[int, bytes]:
        """GET a small document: status and body. Raises like `exchange`."""
        async with self.exchange("GET", url, headers=headers or {}, idle_s=timeout_s) as answer:
            return answer.status, await answer.body(limit)

    async def aclose(self) -> None:
        """Close all connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _redirected(origin: Origin, answer: Answer) -> NetError:
    target = answer.headers.get("location", "")
    try:
        where = str(origin_of(target)) if "://" in target else "another path of the same host"
    except NetError:
        where = "an unreadable address"
    return NetError(
        f"{origin} redirects to {where} (HTTP {answer.status}); redirects are not followed",
        kind="redirect",
        hint="set base_url to the final address",
    )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback_ip(host: str) -> bool:
    return _is_ip(host) and _unmapped(host).is_loopback


def _unmapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return mapped if mapped is not None else ip
