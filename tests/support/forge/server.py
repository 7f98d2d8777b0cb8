"""HTTP on loopback for a fake forge: routes, faults, a journal of requests, git itself over HTTP, and a clean stop."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from support.forge.faults import Fault, Faults


@dataclass(slots=True)
class Request:
    """What came in."""

    method: str
    path: str
    """Below the server's root, not decoded: `%2F` stays."""
    query: dict[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes
    target: str
    """Path and query as they were sent."""

    @property
    def json(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def token(self) -> str | None:
        """The token in whatever header it came."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return base64.b64decode(value).decode().partition(":")[2]
        return value or self.headers.get("private-token") or self.headers.get("job-token")


@dataclass(slots=True)
class Response:
    """What goes out: JSON, or bytes with a type."""

    status: int = 200
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    type: str = "application/json; charset=utf-8"

    @property
    def bytes(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return b"" if self.status == 204 else json.dumps(self.json).encode()


@dataclass(slots=True)
class Entry:
    """A request and its answer, as the journal keeps them."""

    request: Request
    response: Response | None
    """None: none was sent."""
    fault: Fault | None = None

    @property
    def writes(self) -> bool:
        return self.request.method not in ("GET", "HEAD") and "graphql" not in self.request.path

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.path} -> {self.response.status if self.response else 'nothing'}"


class RefusedError(Exception):
    """A route says no."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.response = Response(status, body, dict(headers or {}))


Handler = Callable[..., Response]


class Routes:
    """Method and path template -> handler. `{name}` is one segment, `{name:path}` is the rest."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, re.Pattern[str], Handler]] = []

    def __call__(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Decorate a method of the fake: handler(self, request, **segments)."""

        def add(handler: Handler) -> Handler:
            pattern = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", template)
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
            self._rows.append((method, re.compile(pattern), handler))
            return handler

        return add

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """The handler and its decoded segments."""
        for row_method, pattern, handler in self._rows:
            if row_method == method and (match := pattern.fullmatch(path)):
                return handler, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


class Speaks(Protocol):
    """What a platform's fake gives the server."""

    def answer(self, request: Request) -> Response:
        """Carry a request out. May raise RefusedError."""

    def error(self, status: int) -> Any:
        """What this platform's body says with a status of its own accord."""


class ForgeServer:
    """Serves one fake. Entering starts it, leaving stops it and lets hanging requests go."""

    def __init__(
        self,
        fake: Speaks,
        *,
        prefix: str = "",
        latency_s: float = 0.0,
        git: tuple[str, Path] | None = None,
        git_allowed: Callable[[str | None], bool] = lambda token: True,
    ) -> None:
        """`prefix`: a sub-path under which all is served; `git`: (`/owner/name.git`, a bare repository)."""
        self.fake = fake
        self.prefix = prefix
        self.latency_s = latency_s
        self.git = git
        self.git_allowed = git_allowed
        self.faults = Faults()
        self.journal: list[Entry] = []
        self.most_at_once = 0
        self._active = 0
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.forge = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> ForgeServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.drop_all()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The root, without a last slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.prefix}"

    @property
    def writes(self) -> list[Entry]:
        """The requests that were to change something."""
        return [entry for entry in self.journal if entry.writes]

    def requests(self, method: str = ".*", path: str = ".*") -> list[Entry]:
        """The journal's entries that match."""
        return [
            entry
            for entry in self.journal
            if re.fullmatch(method, entry.request.method) and re.search(path, entry.request.target)
        ]

    def serve(self, request: Request) -> tuple[Response | None, Fault | None]:
        """The answer, and the trouble that it meets."""
        fault = self.faults.of(request.method, request.target)
        if fault is not None and fault.how == "call":
            fault.call()
            fault = None
        if fault is None or fault.acted or fault.how == "truncate":
            response = self._carried_out(request)
        else:
            response = None
        if fault is not None and fault.how == "answer":
            html = isinstance(fault.body, str)
            body = fault.body if fault.body is not None else self.fake.error(fault.status)
            kind = "text/html; charset=utf-8" if html else "application/json; charset=utf-8"
            raw = fault.body.encode() if isinstance(fault.body, str) else None
            response = Response(fault.status, body, dict(fault.headers), raw, kind)
        return response, fault

    def _carried_out(self, request: Request) -> Response:
        try:
            return self.fake.answer(request)
        except RefusedError as refused:
            return refused.response

    def entered(self) -> None:
        """One more request under way."""
        with self._lock:
            self._active += 1
            self.most_at_once = max(self.most_at_once, self._active)

    def left(self) -> None:
        """One fewer."""
        with self._lock:
            self._active -= 1


class _Server(ThreadingHTTPServer):
    forge: ForgeServer
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_all(self) -> None:
        """Cut what is still open (connections kept alive)."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a mistake of the fake and shown."""
        import sys

        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError)):
            socketserver.BaseServer.handle_error(self, request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        return

    def _do(self) -> None:
        forge = self.server.forge
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            raw = self._chunks()
        if forge.git is not None and self.path.startswith(forge.prefix + forge.git[0]):
            self._git(raw, *forge.git)
            return
        bare = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(bare.query, keep_blank_values=True))
        path = bare.path.removeprefix(forge.prefix)
        request = Request(self.command, path, query, headers, raw, self.path)
        forge.entered()
        try:
            if forge.latency_s:
                time.sleep(forge.latency_s)
            response, fault = forge.serve(request)
        finally:
            forge.left()
        forge.journal.append(Entry(request, response, fault))
        self._reply(response, fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 (named by http.server)

    def _reply(self, response: Response | None, fault: Fault | None) -> None:
        if fault is not None and fault.how == "hang":
            self.server.forge.stopping.wait(60)
            self.close_connection = True
            return
        if fault is not None and fault.how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        assert response is not None
        body = response.bytes
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Type", response.type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault is not None and fault.how == "truncate":
            body = body[: len(body) // 2]
            self.close_connection = True
        if response.status != 204:
            self.wfile.write(body)

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _git(self, raw: bytes, url: str, repo: Path) -> None:
        """Hand over to `git http-backend`, as web servers do."""
        forge = self.server.forge
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path.removeprefix(forge.prefix), {}, headers, raw, self.path)
        if not forge.git_allowed(request.token):
            response = Response(401, {"message": "no"}, {"WWW-Authenticate": 'Basic realm="git"'})
            forge.journal.append(Entry(request, response))
            self._reply(response, None)
            return
        environ = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(repo),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path.removeprefix(forge.prefix + url),
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REMOTE_USER": "git",
            "CONTENT_LENGTH": str(len(raw)),
        }
        done = subprocess.run(["git", "http-backend"], input=raw, env=environ, capture_output=True, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(fields.pop("Status", "200").split(" ")[0])
        kind = fields.pop("Content-Type", "application/octet-stream")
        response = Response(status, None, fields, body, kind)
        forge.journal.append(Entry(request, response))
        self._reply(response, None)
