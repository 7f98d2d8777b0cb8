"""The only user of httpx2. Connects to checked addresses, and turns the library's exceptions into NetError."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping

import httpx2

from loom import __version__
from loom.infra.net import NetError, Origin, Settings

# As many addresses of a name are tried as a dual-stack host with a spare has.
_MAX_ADDRESSES = 3

# Identity: what we read is limited in bytes, and a compressed body would hide how large it is.
_HEADERS = {"user-agent": f"loom/{__version__}", "accept-encoding": "identity"}


class HttpAnswer:
    """net.Answer over an httpx2 response."""

    def __init__(self, response: httpx2.Response, origin: Origin) -> None:
        self._response = response
        self._origin = origin
        self.status = response.status_code
        self.headers: Mapping[str, str] = {k.lower(): v for k, v in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """See net.Answer."""
        try:
            async for chunk in self._response.aiter_bytes():
                yield chunk
        except httpx2.HTTPError as error:
            raise _translated(error, self._origin) from error

    async def body(self, limit: int = 1 << 20) -> bytes:
        """See net.Answer."""
        data = bytearray()
        chunks = self.chunks()
        try:
            async for chunk in chunks:
                data += chunk
                if len(data) >= limit:
                    break
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]  # an async generator, typed as its Protocol says
        return bytes(data[:limit])


class HttpClient:
    """Two connection pools: a plain one, and one for TLS that is made when first needed (0.05 s of CPU)."""

    def __init__(self, settings: Settings, *, max_connections: int) -> None:
        self._settings = settings
        self._limits = httpx2.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        self._clients: dict[tuple[bool, str | None], httpx2.AsyncClient] = {}
        self._addresses: dict[Origin, list[str]] = {}
        self._tls: ssl.SSLContext | None = None

    @contextlib.asynccontextmanager
    async def exchange(
        self, method: str, url: str, origin: Origin, *, headers: Mapping[str, str], body: bytes | None, idle_s: float
    ) -> AsyncIterator[HttpAnswer]:
        """See net.Network.exchange, which has checked the URL."""
        timeout = httpx2.Timeout(connect=self._settings.connect_s, read=idle_s, write=idle_s, pool=None)
        client = self._client(origin)
        try:
            request = client.build_request(method, url, headers=dict(headers), content=body, timeout=timeout)
            response = await self._send(client, request, origin)
        except httpx2.InvalidURL as error:
            raise NetError(f"{origin}: not a usable address ({error})", kind="url") from error
        except httpx2.HTTPError as error:
            raise _translated(error, origin) from error
        try:
            yield HttpAnswer(response, origin)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close all pools."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _send(self, client: httpx2.AsyncClient, request: httpx2.Request, origin: Origin) -> httpx2.Response:
        if self._settings.proxies.of(origin) is not None:
            return await client.send(request, stream=True)  # the proxy resolves the name
        addresses = await self._resolve(origin)
        for address in addresses[:-1]:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await client.send(_pinned(request, origin, address), stream=True)
        return await client.send(_pinned(request, origin, addresses[-1]), stream=True)

    async def _resolve(self, origin: Origin) -> list[str]:
        """The addresses of a name, checked. Connecting to the checked address itself, and not to the name again, is
        what keeps a name server from answering differently the second time (DNS rebinding)."""
        known = self._addresses.get(origin)
        if known is not None:
            return known
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.connect_s):
                found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise NetError(f"{origin.host}: the name server did not answer", kind="connect") from error
        except (OSError, UnicodeError) as error:
            raise NetError(f"{origin.host}: the name cannot be resolved", kind="connect", hint=_REACH_HINT) from error
        # IPv4 first: runners with a dead IPv6 route are common, hosts of models without IPv4 are not known.
        by_family = sorted(found, key=lambda row: row[0] != socket.AF_INET)
        addresses = list(dict.fromkeys(str(row[4][0]) for row in by_family))[:_MAX_ADDRESSES]
        for address in addresses:
            self._settings.rules.check_address(origin, address)
        self._addresses[origin] = addresses
        return addresses

    def _client(self, origin: Origin) -> httpx2.AsyncClient:
        secure = origin.scheme == "https"
        proxy = self._settings.proxies.of(origin)
        key = (secure, proxy)
        if key not in self._clients:
            # Without https a bare context does: it trusts nobody, so a mistake here fails closed.
            context = self._tls_context() if secure or proxy else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                transport = httpx2.AsyncHTTPTransport(
                    verify=context, limits=self._limits, proxy=proxy, trust_env=False, retries=0
                )
            except (ValueError, ImportError, httpx2.InvalidURL) as error:
                raise NetError(
                    "the proxy cannot be used", kind="proxy", hint="check HTTPS_PROXY: http://host:port"
                ) from error
            self._clients[key] = httpx2.AsyncClient(
                transport=transport, headers=_HEADERS, follow_redirects=False, trust_env=False
            )
        return self._clients[key]

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            bundle = self._settings.ca_bundle
            if bundle is None:
                self._tls = httpx2.create_ssl_context(trust_env=False)
            else:
                try:
                    self._tls = ssl.create_default_context()
                    self._tls.load_verify_locations(bundle)
                except OSError as error:
                    self._tls = None
                    raise NetError(
                        f"{bundle}: not a file of PEM certificates", kind="url", hint="check LOOM_CA_BUNDLE"
                    ) from error
        return self._tls


def _pinned(request: httpx2.Request, origin: Origin, address: str) -> httpx2.Request:
    """The same request to an address; the Host header and the name in the certificate stay as they were."""
    if address == origin.host:
        return request
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": origin.host},
    )


_REACH_HINT = "check base_url, the network and the proxy variables; is the server running?"


def _translated(error: httpx2.HTTPError, origin: Origin) -> NetError:
    """Our error for the library's. Its text never holds headers; the URL's path and query are left out."""
    match error:
        case httpx2.ConnectTimeout():
            return NetError(f"{origin} did not answer within the connect timeout", kind="connect", hint=_REACH_HINT)
        case httpx2.ConnectError() if _is_tls(error):
            return NetError(
                f"{origin}: the TLS handshake failed ({_short(error)})",
                kind="tls",
                hint="behind a TLS-inspecting proxy, give its certificate: LOOM_CA_BUNDLE=/path/ca.pem",
            )
        case httpx2.ConnectError():
            return NetError(f"{origin} cannot be reached ({_short(error)})", kind="connect", hint=_REACH_HINT)
        case httpx2.TimeoutException():
            return NetError(
                f"{origin} sent nothing for longer than the timeout",
                kind="timeout",
                hint="raise `timeout` of the model, or --max-seconds",
            )
        case httpx2.ProxyError():
            return NetError(
                f"the proxy refused to connect to {origin}", kind="proxy", hint="check HTTPS_PROXY and NO_PROXY"
            )
        case httpx2.LocalProtocolError():
            return NetError(
                f"the request to {origin} cannot be sent as configured",
                kind="url",
                hint="check `headers` and the key: printable ASCII on one line",
            )
        case _:
            return NetError(f"{origin} broke off the connection ({_short(error)})", kind="broken")


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:160]
