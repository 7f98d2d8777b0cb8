"""The network's rules: who may be called, through what, and how often; with real sockets where there are any."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import itertools
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asking import Slept
from support.fake_model import FakeModel

from loom.core.errors import LoomError, TrustError
from loom.infra import streams
from loom.infra.net import NetError, Network, Origin, Proxies, Rules, Settings, origin_of
from loom.infra.ratelimit import Bucket, Gate, WouldMissDeadlineError, reset_s
from loom.infra.retry import Policy, RetryableError, asked_wait_s, is_transient, retrying

BUILTIN = frozenset({"api.openai.com"})


def refusal(url: str, **rules: object) -> LoomError | None:
    try:
        Rules(builtin=BUILTIN, **rules).check(url)  # type: ignore[arg-type]
    except LoomError as error:
        return error
    return None


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://API.OpenAI.com./v1",
        "http://127.0.0.1:11434",
        "http://localhost:8000/v1",
        "http://[::1]:8080",
        "http://127.9.9.9",
    ],
)
def test_known_hosts_and_loopback_may_be_called(url: str) -> None:
    assert refusal(url) is None


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("https://evil.example/v1", "LOOM_ALLOW_HOSTS=evil.example"),
        ("https://api.openai.com.evil.example", "LOOM_ALLOW_HOSTS=api.openai.com.evil.example"),
        ("http://api.openai.com/v1", "use https, or name it in full: LOOM_ALLOW_HOSTS=http://api.openai.com"),
        ("https://10.0.0.5/v1", "LOOM_ALLOW_HOSTS=10.0.0.5"),
        ("https://foo.localhost/v1", "LOOM_ALLOW_HOSTS=foo.localhost"),
        ("https://2130706433/", "LOOM_ALLOW_HOSTS=2130706433"),
    ],
)
def test_other_hosts_are_refused_with_what_would_allow_them(url: str, hint: str) -> None:
    error = refusal(url)
    assert isinstance(error, TrustError)
    assert error.hint == hint


@pytest.mark.parametrize(
    ("url", "named", "allowed"),
    [
        ("https://vllm.corp/v1", "vllm.corp", True),
        ("https://vllm.corp:8443/v1", "vllm.corp", True),
        ("https://vllm.corp:8443/v1", "vllm.corp:8443", True),
        ("https://vllm.corp:9/v1", "vllm.corp:8443", False),
        ("http://vllm.corp/v1", "vllm.corp", False),
        ("http://vllm.corp:8000/v1", "http://vllm.corp:8000", True),
        ("http://vllm.corp:8000/v1", "http://vllm.corp", True),
        ("http://10.0.0.5:8000/v1", "http://10.0.0.5:8000", True),
        ("http://169.254.169.254/latest/meta-data", "http://169.254.169.254", False),
        ("https://[fe80::1]/", "fe80::1", False),
        ("https://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254", False),
        ("https://100.100.100.200/", "100.100.100.200", False),
        ("https://0.0.0.0/", "0.0.0.0", False),
    ],
)
def test_naming_a_host_allows_it_but_never_a_link_local_or_metadata_address(
    url: str, named: str, allowed: bool
) -> None:
    assert (refusal(url, named=frozenset({named})) is None) is allowed


@pytest.mark.parametrize(
    "url", ["ftp://x", "file:///etc/passwd", "https://", "x", "", "https://user:pw@api.openai.com", "https://a:99999"]
)
def test_what_is_no_http_address_is_refused_without_being_repeated(url: str) -> None:
    error = refusal(url)
    assert isinstance(error, NetError)
    assert error.kind == "url"
    assert "pw" not in f"{error} {error.hint}"


def test_offline_means_loopback_only() -> None:
    error = refusal("https://api.openai.com/v1", offline=True)
    assert isinstance(error, NetError)
    assert str(error) == "https://api.openai.com was not called: --offline"
    assert refusal("http://localhost:11434", offline=True) is None


@pytest.mark.parametrize(
    ("address", "named", "allowed"),
    [
        ("8.8.8.8", False, True),
        ("10.1.2.3", False, False),
        ("10.1.2.3", True, True),
        ("127.0.0.1", False, False),
        ("::ffff:10.1.2.3", False, False),
        ("fd00::1", True, True),
        ("169.254.169.254", True, False),
        ("fe80::1%eth0", True, False),
        ("fd00:ec2::254", True, False),
        ("::", True, False),
    ],
)
def test_what_a_name_resolves_to_is_checked_too(address: str, named: bool, allowed: bool) -> None:
    rules = Rules(builtin=BUILTIN, named=BUILTIN if named else frozenset())
    with contextlib.nullcontext() if allowed else pytest.raises(TrustError):
        rules.check_address(Origin("https", "api.openai.com", 443), address)


def get(url: str, settings: Settings) -> tuple[int, bytes]:
    async def run() -> tuple[int, bytes]:
        network = Network(settings)
        try:
            return await network.get(url, timeout_s=5)
        finally:
            await network.aclose()

    return asyncio.run(run())


# Old spellings of IPv4 addresses: names to our rules, and every resolver turns them into addresses without DNS.
LOOPBACK_AS_A_NAME, METADATA_AS_A_NAME = "2130706433", "2852039166"


def test_a_name_is_resolved_checked_and_then_called_by_its_address() -> None:
    with FakeModel() as server:
        url = f"http://{LOOPBACK_AS_A_NAME}:{server.port}/v1/models"
        assert get(url, Settings(rules=Rules(named=frozenset({f"http://{LOOPBACK_AS_A_NAME}"}))))[0] == 200
        assert server.lookups == ["GET /v1/models"]


@pytest.mark.parametrize(
    ("name", "rules", "says"),
    [
        (LOOPBACK_AS_A_NAME, Rules(builtin=frozenset({LOOPBACK_AS_A_NAME})), "resolves to a private address"),
        (METADATA_AS_A_NAME, Rules(named=frozenset({METADATA_AS_A_NAME})), "is a link-local or metadata address"),
    ],
)
def test_a_name_that_resolves_to_where_it_may_not_is_refused_before_any_connection(
    name: str, rules: Rules, says: str
) -> None:
    with pytest.raises(TrustError, match=says):
        get(f"https://{name}/v1/models", Settings(rules=rules))


def test_a_name_that_does_not_exist_says_so() -> None:
    rules = Rules(builtin=frozenset({"no-such-host.invalid"}))
    with pytest.raises(NetError, match=r"no-such-host\.invalid: the name cannot be resolved") as caught:
        get("https://no-such-host.invalid/v1", Settings(rules=rules))
    assert caught.value.transient


def _self_signed(key_file: Path, certificate_file: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    certificate_file.write_bytes(certificate.public_bytes(pem))


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A TLS server for `localhost` with a certificate that only its own bundle vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    _self_signed(key, certificate)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], certificate
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_own_certificate_authority_is_trusted_when_named_and_only_then(tls_server: tuple[int, Path]) -> None:
    port, bundle = tls_server
    assert get(f"https://localhost:{port}/", Settings(ca_bundle=str(bundle))) == (200, b"ok")
    with pytest.raises(NetError, match="the TLS handshake failed") as caught:
        get(f"https://localhost:{port}/", Settings())
    assert caught.value.kind == "tls"
    assert "LOOM_CA_BUNDLE" in caught.value.hint


def test_the_certificate_is_for_the_name_and_not_for_the_address(tls_server: tuple[int, Path]) -> None:
    port, bundle = tls_server
    with pytest.raises(NetError, match="the TLS handshake failed"):
        get(f"https://127.0.0.1:{port}/", Settings(ca_bundle=str(bundle)))


def test_a_bundle_that_is_none_is_named(tmp_path: Path) -> None:
    rules = Rules(builtin=BUILTIN)
    with pytest.raises(NetError, match="not a file of PEM certificates"):
        get("https://api.openai.com/", Settings(rules=rules, ca_bundle=str(tmp_path / "absent.pem")))


def test_a_proxy_gets_the_request_and_loopback_never_goes_through_one() -> None:
    with FakeModel() as proxy:
        rules = Rules(named=frozenset({"http://models.example"}))
        proxies = Proxies.from_environ({"HTTP_PROXY": proxy.origin, "HTTPS_PROXY": proxy.origin})
        settings = Settings(rules=rules, proxies=proxies)
        assert get("http://models.example/v1/models", settings)[0] == 200
        assert proxy.lookups == ["GET http://models.example/v1/models"]
        with pytest.raises(NetError, match="cannot be reached"):
            get(f"http://127.0.0.1:{_closed_port()}/", settings)
        assert len(proxy.lookups) == 1


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", False), ("*", True), ("corp", True), (".corp", True), ("vllm.corp", True), ("vllm.corp:443", True),
        ("lm.corp", False), ("other, vllm.corp", True), ("*.corp", True),
    ],
)  # fmt: skip
def test_no_proxy_is_read_the_usual_way(no_proxy: str, direct: bool) -> None:
    proxies = Proxies.from_environ({"https_proxy": "proxy:3128", "NO_PROXY": no_proxy})
    assert proxies.of(origin_of("https://vllm.corp/v1")) == (None if direct else "http://proxy:3128")


def test_a_proxys_password_does_not_show() -> None:
    assert "hunter2" not in repr(Proxies.from_environ({"HTTPS_PROXY": "http://u:hunter2@proxy:1"}))


def test_importing_the_network_imports_no_http_library() -> None:
    code = "import sys, loom.infra.net, loom.llm, loom.llm.detect; print({'httpx2', 'tenacity'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# ---- retries


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-4"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_every_way_to_say_when_is_understood(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait_s(headers) == seconds


def test_which_statuses_are_worth_another_try() -> None:
    assert [s for s in range(400, 600) if is_transient(s, {})] == [408, 409, 425, 429, *range(500, 600)]
    assert is_transient(400, {"x-should-retry": "true"})
    assert not is_transient(503, {"x-should-retry": "false"})


def test_waits_grow_are_capped_and_are_drawn_once() -> None:
    slept, draws = Slept(), []

    def uniform(low: float, high: float) -> float:
        draws.append((low, high))
        return high

    async def fail() -> None:
        raise RetryableError(ValueError("no"))

    policy = Policy(retries=7, sleep=slept, clock=slept.clock, uniform=uniform)
    with pytest.raises(ValueError, match="no"):
        asyncio.run(retrying(fail, policy=policy, deadline=policy.clock() + 1e6))
    assert slept.delays == [1, 2, 4, 8, 16, 30, 30]
    assert len(draws) == 8


def test_a_wait_past_the_deadline_is_not_begun() -> None:
    slept = Slept()

    async def fail() -> None:
        raise RetryableError(ValueError("no"))

    policy = Policy(retries=9, sleep=slept, clock=slept.clock, uniform=lambda _, high: high)
    with pytest.raises(ValueError, match="no"):
        asyncio.run(retrying(fail, policy=policy, deadline=policy.clock() + 3.5))
    assert slept.delays == [1, 2]


# ---- rates


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@given(
    st.integers(1, 200),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=60),
)
def test_a_bucket_never_lets_more_through_than_its_rate(per_minute: int, wishes: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket = Bucket(per_minute, clock)
    taken = 0.0
    for pause, amount in wishes:
        clock.now += pause
        if bucket.take(min(amount, per_minute)) == 0:
            taken += min(amount, per_minute)
    assert taken <= per_minute + clock.now * per_minute / 60 + 1e-6


def test_requests_and_tokens_per_minute_are_kept() -> None:
    clock = Clock()
    gate = Gate(concurrency=4, requests_per_minute=6, tokens_per_minute=1000, clock=clock, sleep=clock.sleep)

    async def run() -> list[float]:
        starts = []
        for _ in range(8):
            async with gate.slot(100, deadline=1e6) as started:
                starts.append(started)
        async with gate.slot(1000, deadline=1e6) as started:
            starts.append(started)
        return starts

    starts = asyncio.run(run())
    assert starts[:6] == [0] * 6
    assert starts[6:8] == pytest.approx([10, 20])
    assert starts[8] >= 48  # 800 of 1000 tokens were spent; the last wants all of them


def test_a_rate_limit_that_would_miss_the_deadline_says_so_instead_of_waiting() -> None:
    clock = Clock()
    gate = Gate(concurrency=1, requests_per_minute=1, clock=clock, sleep=clock.sleep)

    async def run() -> None:
        for _ in range(2):
            async with gate.slot(1, deadline=30):
                pass

    with pytest.raises(WouldMissDeadlineError):
        asyncio.run(run())
    assert clock.now == 0


def test_one_burst_of_429s_halves_once_and_successes_bring_it_back() -> None:
    clock = Clock()
    gate = Gate(concurrency=8, clock=clock, sleep=clock.sleep)
    clock.now = 1.0
    for _ in range(5):
        gate.throttled(started=0.5 if gate.limit == 4 else 1.0, asked_s=None)
    assert gate.limit == 4
    for _ in range(40):
        gate.succeeded()
    assert gate.limit == 8


def test_no_more_than_the_limit_are_ever_inside_whatever_is_cancelled() -> None:
    inside, most = 0, 0

    async def run() -> None:
        nonlocal inside, most
        gate = Gate(concurrency=3)

        async def work(turns: int) -> None:
            nonlocal inside, most
            async with gate.slot(1, deadline=1e9):
                inside += 1
                most = max(most, inside)
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = [asyncio.ensure_future(work(i % 5)) for i in range(60)]
        for turn in range(20):
            await asyncio.sleep(0)
            tasks[turn * 3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with gate.slot(1, deadline=1e9):
            pass

    asyncio.run(asyncio.wait_for(run(), 10))
    assert (most, inside) == (3, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3s", 3723), ("1m30.5s", 90.5), ("12", 12), ("", None),
        ("2026-11-21T10:00:30Z", 30), ("later", None), (None, None),
    ],
)  # fmt: skip
def test_resets_are_read_in_every_vendors_form(text: str | None, seconds: float | None) -> None:
    now = email.utils.parsedate_to_datetime("Sat, 21 Nov 2026 10:00:00 GMT")
    assert reset_s(text, email.utils.format_datetime(now)) == seconds


# ---- streams


async def chunked(data: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        yield data[start:end]


def collect(data: bytes, cuts: list[int], reader: object = streams.events) -> list[streams.Event]:
    async def run() -> list[streams.Event]:
        return [e async for e in reader(chunked(data, cuts))]  # type: ignore[operator]

    return asyncio.run(run())


@given(st.lists(st.integers(0, 500), max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int], end: bytes) -> None:
    data = b": hi\nevent: a\ndata: \xc3\xa4\ndata:two\n\n\n\ndata: [DONE]\n\nid: 3\nretry: 5\n\ndata: last".replace(
        b"\n", end
    )
    assert collect(data, cuts) == [
        streams.Event("a", "ä\ntwo"),
        streams.Event("message", "[DONE]"),
        streams.Event("message", "last"),
    ]


@given(st.lists(st.integers(0, 100), max_size=20))
def test_lines_of_json_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    data = b'{"a": "\xe2\x82\xac"}\n\n{"b": 2}\r\n{"c": 3}'
    assert [e.data for e in collect(data, cuts, streams.ndjson)] == ['{"a": "€"}', '{"b": 2}', '{"c": 3}']


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_no_bytes_upset_the_readers(data: bytes, cuts: list[int]) -> None:
    collect(data, cuts)
    collect(data, cuts, streams.ndjson)


def test_a_line_without_end_and_an_event_without_end_are_refused() -> None:
    for data in (b"x" * (streams.MAX_EVENT + 2), b"data: " + (b"y" * 1000 + b"\ndata: ") * 1100):
        with pytest.raises(NetError) as caught:
            collect(data, [])
        assert caught.value.kind == "too-large"
