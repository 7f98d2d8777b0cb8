"""A small model server on loopback that speaks all four wire formats, streams, fails on demand, and keeps what it got.

    with FakeModel({"findings": []}) as server:
        settings(base_url=server.url("anthropic"))
        ...
        assert server.requests[0].body["model"] == "m"

`reply` is a text, a JSON value (sent as its text), an Answer, a Fault, a list of texts, Answers and Faults (one for
each request, the last one again and again) or a function of (prompt text, request body) that returns one of them.
`python -m support.fake_model` runs it as a process of its own, for benchmarks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from support.fake_formats import Answer, Fault, Got, Protocol, Reply, error_of, frames, whole

__all__ = ["Answer", "FakeModel", "Fault", "Got", "Protocol", "Reply"]


class FakeModel:
    """The server. Entering starts it, leaving stops it. `requests` holds the completions it was asked for, in order of
    arrival; `lookups` the other requests (lists of models and the like)."""

    def __init__(
        self,
        reply: Reply | list[Reply] | Callable[[str, dict[str, Any]], Reply] = "ok",
        *,
        latency_s: float = 0.0,
        models: tuple[str, ...] = ("fake-model-1",),
        documents: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[Got] = []
        self.lookups: list[str] = []
        self.most_at_once = 0
        self.latency_s = latency_s
        self.models = models
        self.documents = dict(documents or {})
        """Path -> JSON for GET and for Ollama's /api/show."""
        self.headers = dict(headers or {})
        """Sent with every answer."""
        self._reply = reply
        self._lock = threading.Lock()
        self._active = 0
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> FakeModel:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.drop_all()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        """http://127.0.0.1:PORT"""
        return f"http://127.0.0.1:{self.port}"

    def url(self, protocol: Protocol = "openai") -> str:
        """The base_url to configure."""
        return self.origin + ("/v1" if protocol == "openai" else "")

    @property
    def prompts(self) -> list[str]:
        """What was asked."""
        return [got.prompt for got in self.requests]

    def wait_for_request(self, within_s: float = 30.0) -> None:
        """Return once a completion was asked for."""
        assert self._asked.wait(within_s), "nobody asked the model"

    def pause(self, seconds: float) -> None:
        """Wait, unless the server is being stopped."""
        if seconds:
            self._stopping.wait(seconds)

    def take(self, got: Got) -> Reply:
        """Keep a request and choose the reply."""
        with self._lock:
            self.requests.append(got)
            number = len(self.requests) - 1
        self._asked.set()
        reply = self._reply
        if callable(reply):
            return reply(got.prompt, got.body)
        if isinstance(reply, list) and reply and all(isinstance(r, Answer | Fault | str) for r in reply):
            return reply[min(number, len(reply) - 1)]
        return reply

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count how many are under way."""
        with self._lock:
            self._active += 1
            self.most_at_once = max(self.most_at_once, self._active)
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 256
    fake: FakeModel

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def drop_all(self) -> None:
        """Wake handlers that wait on idle connections."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handleerror_of(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are the point of several tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        fake = self.server.fake
        fake.lookups.append(f"GET {self.path}")
        path = self.path.partition("?")[0]
        if path in fake.documents:
            self._json(200, fake.documents[path])
        elif path.endswith("/models"):
            self._json(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in fake.models]})
        elif path == "/api/tags":
            self._json(200, {"models": [{"name": m, "size": 1} for m in fake.models]})
        elif path == "/api/ps":
            self._json(200, {"models": []})
        else:
            self._json(404, {"error": {"message": "not found", "type": "not_found_error"}})

    def do_POST(self) -> None:
        fake = self.server.fake
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        path = self.path.partition("?")[0]
        protocol = _protocol(path)
        if protocol is None:
            fake.lookups.append(f"POST {self.path}")
            found = fake.documents.get(path)
            self._json(200 if found is not None else 404, found if found is not None else {"error": "not found"})
            return
        headers = {k.lower(): v for k, v in self.headers.items()}
        got = Got(protocol, "POST", self.path, headers, json.loads(raw), time.monotonic())
        with fake.counted():
            reply = fake.take(got)
            fake.pause(fake.latency_s)
            _Conversation(self, fake, got).send(reply)

    def _json(self, status: int, document: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in {**self.server.fake.headers, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _protocol(path: str) -> Protocol | None:
    if path.endswith("/chat/completions"):
        return "openai"
    if path.endswith("/v1/messages"):
        return "anthropic"
    if path.endswith(":streamGenerateContent"):
        return "google"
    return "ollama" if path == "/api/chat" else None


class _Conversation:
    """One answer to one request."""

    def __init__(self, handler: _Handler, fake: FakeModel, got: Got) -> None:
        self.handler = handler
        self.fake = fake
        self.got = got

    def send(self, reply: Reply) -> None:
        if isinstance(reply, Fault):
            self._fail(reply)
        elif isinstance(reply, Answer):
            self._stream(reply)
        else:
            self._stream(Answer(reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)))

    # ---- faults

    def _fail(self, fault: Fault) -> None:
        match fault.kind:
            case "reset":
                self._reset()
            case "silent":
                self.fake.pause(fault.seconds)
                self.handler.close_connection = True
            case "html":
                self._raw(200, "text/html", b"<!doctype html><title>Sign in</title>", fault.headers)
            case "redirect":
                self._raw(307, "text/plain", b"", {"location": fault.message, **fault.headers})
            case "garbage":
                self._raw(200, self._content_type, b"data: \x00\xff not json\n\n\xfe{{{\n", fault.headers)
            case "refusal" | "blocked" | "length":
                self._stream(
                    Answer("partial " * 3 if fault.kind == "length" else "", finish=fault.kind, detail=fault.message)
                )
            case "drip":
                self._stream(Answer(fault.message or "ok", chunks=1_000_000, seconds=fault.seconds))
            case "truncated" | "reset-midway":
                self._break_off(fault)
            case "in-stream-error":
                self._in_stream(fault)
            case "not-streamed":
                body = json.dumps(whole(self.got, Answer(fault.message or "ok"))).encode()
                self._raw(200, "application/json", body, fault.headers)
            case _:
                status, document = error_of(self.got.protocol, fault, self.got)
                headers = dict(fault.headers)
                if fault.retry_after is not None:
                    headers["retry-after"] = fault.retry_after
                self.handler._json(status, document, headers)

    def _reset(self) -> None:
        connection = self.handler.connection
        # Zero linger: close sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.close_connection = True
        connection.close()

    def _break_off(self, fault: Fault) -> None:
        parts = list(frames(self.got, Answer("one two three four five six seven eight")))
        self._open()
        for frame in parts[: len(parts) // 2]:
            self._chunk(frame)
        if fault.kind == "truncated":
            self._chunk(b"")
        else:
            self._reset()

    def _in_stream(self, fault: Fault) -> None:
        self._open()
        for frame in list(frames(self.got, Answer("one two three four")))[:2]:
            self._chunk(frame)
        message = fault.message or "the upstream is overloaded"
        match self.got.protocol:
            case "anthropic":
                document: Any = {"type": "error", "error": {"type": "overloaded_error", "message": message}}
                self._chunk(b"event: error\ndata: " + json.dumps(document).encode() + b"\n\n")
            case "ollama":
                self._chunk(json.dumps({"error": message}).encode() + b"\n")
            case "google":
                document = {"error": {"code": fault.status, "message": message, "status": "UNAVAILABLE"}}
                self._chunk(b"data: " + json.dumps(document).encode() + b"\r\n\r\n")
            case "openai":
                document = {"error": {"code": fault.status, "message": message}}
                self._chunk(b"data: " + json.dumps(document).encode() + b"\n\n")
        self._chunk(b"")

    # ---- sending

    @property
    def _content_type(self) -> str:
        return "application/x-ndjson" if self.got.protocol == "ollama" else "text/event-stream"

    def _stream(self, answer: Answer) -> None:
        self._open()
        for frame in frames(self.got, answer):
            self._chunk(frame)
            self.fake.pause(answer.seconds)
        self._chunk(b"")

    def _open(self) -> None:
        self.handler.send_response(200)
        self.handler.send_header("content-type", self._content_type)
        self.handler.send_header("transfer-encoding", "chunked")
        for name, value in self.fake.headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _raw(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.handler.send_response(status)
        self.handler.send_header("content-type", content_type)
        self.handler.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(body)


def main() -> None:
    """Serve until stdin closes; prints the origin on the first line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reply", default='{"summary": "ok", "coverage": null, "findings": []}', help="text, or @FILE")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before the first byte")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    text = options.reply
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    with FakeModel(Answer(text), latency_s=options.latency, port=options.port) as server:
        print(server.origin, flush=True)
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                if input() == "count":
                    print(len(server.requests), flush=True)


if __name__ == "__main__":
    main()
