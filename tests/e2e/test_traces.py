"""Traces, received the way a collector would: real OTLP over HTTP on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from support.cli import loom
from support.repos import Repo


class Collector(HTTPServer):
    """Keeps the bodies it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []

    def spans(self) -> list:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [s for r in requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def repo(tmp_path) -> Repo:
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"cart.py": "x = 1\n"})
    return made.write({"cart.py": "def f(secret_name=[]):\n    secret_name.append(1)\n"})


def test_a_review_is_a_trace_with_a_span_for_each_pipeline_and_no_code(repo: Repo, collector: Collector) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    ran = loom("review", cwd=repo.root, env=env)
    spans = {s.name: s for s in collector.spans()}
    assert (ran.code, ran.err) == (0, "")
    assert sorted(spans) == [
        "loom review", "pipeline hygiene", "pipeline rules", "pipeline secrets", "pipeline unicode",
    ]  # fmt: skip
    root = spans["loom review"]
    assert all(s.parent_span_id == root.span_id for name, s in spans.items() if name != "loom review")
    assert all(s.start_time_unix_nano <= s.end_time_unix_nano for s in spans.values())
    assert {a.key: a.value.int_value for a in root.attributes}["loom.findings"] == 1
    assert not [body for body in collector.bodies if b"secret_name" in body or b"cart.py" in body]


def test_nothing_is_sent_unless_it_was_asked_for_or_offline(repo: Repo, collector: Collector) -> None:
    loom("review", cwd=repo.root)
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    ran = loom("review", "--offline", cwd=repo.root, env=env)
    assert collector.bodies == []
    assert "no traces were sent: --offline" in ran.err


def test_a_collector_that_is_not_there_costs_a_warning_not_the_review(repo: Repo) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ran = loom("review", cwd=repo.root, env=env)
    assert ran.code == 0
    assert "mutable-default-argument" in ran.out
    assert ran.err.splitlines() == [
        "loom: warning: the traces did not arrive within 5 s: check OTEL_EXPORTER_OTLP_ENDPOINT"
    ]
