"""The REST client of the platforms: paging, limits, pacing, retries and the record, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.forge.faults import Fault
from support.forge.rig import VirtualTime
from support.forge.server import ForgeServer, Request, Response, Routes

from loom.core.diff import FileChange
from loom.core.errors import LoomError, TrustError
from loom.infra.apply_diff import apply
from loom.infra.net import Network, Rules, Settings
from loom.infra.retry import Policy
from loom.platforms import answers
from loom.platforms.base import (
    AuthError,
    DeniedError,
    DownError,
    LimitedError,
    MissingError,
    PlatformError,
    RejectedError,
)
from loom.platforms.blob_diff import hunks_between
from loom.platforms.http import Api, Setup
from loom.platforms.values import Project, Token

SECRET = "sekret-0123456789-abcdef"
ROUTE = Routes()


class Echo:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.rows = list(range(250))
        self.style = "link"
        self.strange_host = False
        self.written: list[Any] = []

    def error(self, status: int) -> Any:
        return {"message": f"no: {SECRET}", "errors": [{"field": "line", "code": "bad"}, "and more"]}

    def answer(self, request: Request) -> Response:
        found = ROUTE.find(request.method, request.path)
        assert found is not None, request
        return found[0](self, request, **found[1])

    @ROUTE("GET", "/api/rows")
    def list_rows(self, request: Request) -> Response:
        size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        rows, last = self.rows[(page - 1) * size : page * size], -(-len(self.rows) // size)
        host = "https://elsewhere.example" if self.strange_host else f"http://{request.headers['host']}"

        def url(to: int) -> str:
            return f"{host}/api/rows?{urlencode({**request.query, 'page': to})}"

        if page >= last:
            return Response(200, {"values": rows} if self.style == "body" else rows)
        if self.style == "body":
            return Response(200, {"values": rows, "next": url(page + 1)})
        if self.style == "x-next-page":
            return Response(200, rows, {"x-next-page": str(page + 1)})
        link = f'<{url(page + 1)}>; rel="next"'
        return Response(200, rows, {"link": f'{link}, <{url(last)}>; rel="last"' if self.style == "last" else link})

    @ROUTE("GET", "/api/big")
    def big(self, request: Request) -> Response:
        return Response(200, raw=b"x" * 10_000, type="text/plain")

    @ROUTE("GET", "/api/page")
    def page(self, request: Request) -> Response:
        return Response(200, raw=b"<html>Sign in</html>", type="text/html")

    @ROUTE("GET", "/api/not-json")
    def not_json(self, request: Request) -> Response:
        return Response(200, raw=b'{"a": ', type="application/json")

    @ROUTE("POST", "/api/write")
    def write(self, request: Request) -> Response:
        self.written.append(request.json)
        return Response(201, {"id": len(self.written)})

    @ROUTE("DELETE", "/api/write")
    def delete(self, request: Request) -> Response:
        return Response(204)


class Bench:
    """A server, a client, and time."""

    def __init__(self, server: ForgeServer, echo: Echo) -> None:
        self.server = server
        self.echo = echo
        self.time = VirtualTime()
        self.api: Api

    def run(
        self, use: Callable[[Api], Coroutine[Any, Any, Any]], *, gap: float = 0.0, pages: int = 100, **more: Any
    ) -> Any:
        async def whole() -> Any:
            policy = Policy(sleep=self.time.sleep, clock=self.time, uniform=lambda low, high: high)
            network = Network(Settings(rules=Rules(), policy=policy))
            setup = Setup(
                project=Project(platform="x", api_url=f"{self.server.url}/api/", web_url=self.server.url, repo="a/b"),
                number=1,
                token=Token(value=SECRET, variable="MY_TOKEN"),
                network=network,
                policy=policy,
                now=lambda: datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC),
            )
            self.api = Api(
                replace(setup, **more), {"authorization": f"Bearer {SECRET}"}, write_gap_s=gap, max_pages=pages
            )
            try:
                return await use(self.api)
            finally:
                await network.aclose()

        return asyncio.run(whole())

    def fails(self, use: Callable[[Api], Coroutine[Any, Any, Any]], **more: Any) -> LoomError:
        with pytest.raises(LoomError) as caught:
            self.run(use, **more)
        error = caught.value
        assert SECRET not in f"{error!r} {error.message} {error.hint} {getattr(error, 'said', '')}"
        return error


@pytest.fixture
def bench() -> Iterator[Bench]:
    echo = Echo()
    with ForgeServer(echo) as server:
        yield Bench(server, echo)


async def write(api: Api) -> Any:
    return await api.send("POST", "write", {"a": 1})


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["link", "last", "x-next-page", "body"])
@pytest.mark.parametrize("size", [30, 100, 250, 300])
def test_all_pages_come_in_order_however_they_are_linked(bench: Bench, style: str, size: int) -> None:
    bench.echo.style = style
    pages = bench.run(lambda api: api.pages("rows", {"per_page": size, "q": "a b&c", "left": None}))
    assert list(pages.items) == list(range(250))
    assert pages.complete
    assert all(entry.request.query["q"] == "a b&c" for entry in bench.server.journal)
    assert len(bench.server.journal) == -(-250 // size)


@pytest.mark.parametrize("style", ["link", "last"])
def test_more_pages_than_the_cap_are_cut_and_said_to_be(bench: Bench, style: str) -> None:
    bench.echo.style = style
    pages = bench.run(lambda api: api.pages("rows", {"per_page": 10}), pages=4)
    assert list(pages.items) == list(range(40))
    assert not pages.complete


@pytest.mark.parametrize("style", ["link", "last", "body"])
def test_the_token_never_follows_a_next_page_to_another_host(bench: Bench, style: str) -> None:
    bench.echo.style, bench.echo.strange_host = style, True
    pages = bench.run(lambda api: api.pages("rows", {"per_page": 100}))
    assert list(pages.items) == list(range(250)), "the query of the link is taken, its host is not"


def test_the_rest_of_numbered_pages_is_read_at_once(bench: Bench) -> None:
    bench.echo.style, bench.server.latency_s = "last", 0.05
    bench.run(lambda api: api.pages("rows", {"per_page": 10}))
    assert 2 <= bench.server.most_at_once <= 6


def test_an_address_of_another_host_is_not_called(bench: Bench) -> None:
    assert "another host" in bench.fails(lambda api: api.get("https://elsewhere.example/api/rows")).message
    assert bench.server.journal == []


def test_a_host_that_the_job_did_not_name_is_not_called(bench: Bench) -> None:
    project = Project(platform="x", api_url="https://git.example", web_url="https://git.example", repo="a/b")
    error = bench.fails(lambda api: api.get("rows"), project=project)
    assert isinstance(error, TrustError)


def test_a_body_larger_than_its_limit_is_refused(bench: Bench) -> None:
    assert len(bench.run(lambda api: api.raw("big", "text/plain", limit=10_000))) == 10_000
    error = bench.fails(lambda api: api.raw("big", "text/plain", limit=9_999))
    assert error.slug == "platform-too-large"


def test_a_web_page_instead_of_json_is_about_signing_in(bench: Bench) -> None:
    error = bench.fails(lambda api: api.get("page"))
    assert isinstance(error, AuthError)
    assert "MY_TOKEN" in error.hint


def test_broken_json_is_asked_for_again_and_then_given_up(bench: Bench) -> None:
    assert isinstance(bench.fails(lambda api: api.get("not-json")), DownError)
    assert len(bench.server.journal) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RejectedError), (401, AuthError), (403, DeniedError), (404, MissingError), (406, RejectedError),
        (410, MissingError), (418, RejectedError), (422, RejectedError), (429, LimitedError), (500, DownError),
        (501, DownError), (503, DownError),
    ],
)  # fmt: skip
def test_every_refusal_has_its_kind_and_the_servers_words_on_one_line(
    bench: Bench, status: int, kind: type[PlatformError]
) -> None:
    bench.server.faults.add(Fault(status=status, times=0))
    error = bench.fails(lambda api: api.get("rows"))
    assert type(error) is kind
    assert isinstance(error, PlatformError)
    assert (error.status, error.said) == (status, "no: … (field: line; code: bad; and more)")
    assert str(status) in error.message
    assert error.hint


def test_reading_waits_longer_each_time_and_no_longer_than_the_deadline(bench: Bench) -> None:
    bench.server.faults.add(Fault(status=503, times=0))
    bench.fails(lambda api: api.get("rows"))
    assert bench.time.delays == [1.0, 2.0, 4.0]
    bench.time.delays.clear()
    bench.fails(lambda api: api.get("rows"), deadline=bench.time.now + 2.5)
    assert bench.time.delays == [1.0]


def test_after_the_deadline_nothing_is_called(bench: Bench) -> None:
    for use in (lambda api: api.get("rows"), write):
        error = bench.fails(use, deadline=0.0)
        assert isinstance(error, LimitedError)
        assert "--max-seconds" in error.hint
    assert bench.server.journal == []
    assert bench.api.actions == []


# -- writing ----------------------------------------------------------------------------------------------------------


def test_writes_go_one_by_one_and_keep_their_gap(bench: Bench) -> None:
    bench.server.latency_s = 0.02

    async def many(api: Api) -> None:
        await asyncio.gather(*(api.send("POST", "write", {"n": n}) for n in range(5)))

    bench.run(many, gap=1.0)
    assert bench.server.most_at_once == 1
    assert [row["n"] for row in bench.echo.written] == list(range(5))
    assert bench.time.delays == [1.0] * 4


def test_a_gap_that_ends_after_the_deadline_is_not_waited_for(bench: Bench) -> None:
    async def twice(api: Api) -> None:
        await write(api)
        await write(api)

    assert isinstance(bench.fails(twice, gap=60.0, deadline=30.0), LimitedError)
    assert bench.time.delays == []
    assert len(bench.echo.written) == 1


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=502, acted=True), Fault("reset"), Fault("truncate")])
def test_a_write_that_may_have_happened_is_not_repeated(bench: Bench, fault: Fault) -> None:
    bench.server.faults.add(replace(fault, seen=0, struck=0))
    error = bench.fails(write)
    assert isinstance(error, DownError)
    assert error.acted
    assert len(bench.server.journal) == 1
    assert bench.time.delays == []


def test_a_write_that_never_reached_the_server_is_repeated(bench: Bench) -> None:
    project = Project(platform="x", api_url="http://127.0.0.1:9", web_url="http://127.0.0.1:9", repo="a/b")
    error = bench.fails(write, project=project)
    assert isinstance(error, DownError)
    assert not error.acted
    assert [action.status for action in bench.api.actions] == [0] * 4


def test_the_record_names_each_try_without_host_query_or_token(bench: Bench) -> None:
    bench.server.faults.add(Fault(status=429, headers={"Retry-After": "1"}))

    async def use(api: Api) -> None:
        await api.send("POST", "write", {}, {"access": SECRET})
        await api.send("DELETE", "write")

    bench.run(use)
    assert [(a.at, a.verb, a.target, a.status) for a in bench.api.actions] == [
        ("2026-11-21T12:00:00Z", "POST", "/write", 429),
        ("2026-11-21T12:00:00Z", "POST", "/write", 201),
        ("2026-11-21T12:00:00Z", "DELETE", "/write", 204),
    ]


def test_no_redirect_is_followed(bench: Bench) -> None:
    bench.server.faults.add(Fault(status=302, headers={"Location": "https://elsewhere.example/x"}, times=0))
    for use in (lambda api: api.get("rows"), write):
        assert bench.fails(use).slug == "platform-redirect"


def test_a_404_on_a_write_is_taken_for_a_lacking_permission(bench: Bench) -> None:
    bench.server.faults.add(Fault(status=404, headers={"x-accepted-github-permissions": "checks=write"}))
    error = bench.fails(write)
    assert isinstance(error, DeniedError)
    assert error.hint == "the token in MY_TOKEN needs checks=write"


# -- answers ----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.lists(st.sampled_from("abc"), max_size=3))
def test_typed_access_to_any_json_gives_its_type_or_a_platform_error(value: object, path: list[str]) -> None:
    assert isinstance(answers.items(value, *path), list)
    assert isinstance(answers.flag(value, *path), bool)
    assert isinstance(answers.text_or_none(value, *path), str | None)
    assert type(answers.number_or_none(value, *path)) in (int, type(None))
    for found, read in ((answers.text_or_none, answers.text), (answers.number_or_none, answers.number)):
        if found(value, *path) is not None:
            assert read(value, *path) == found(value, *path)
        else:
            with pytest.raises(PlatformError, match="no usable"):
                read(value, *path)


LINES = st.lists(st.sampled_from([b"a", b"b", b"", b"c\r", b"-- x"]), max_size=30)


@given(LINES, LINES, st.booleans(), st.booleans())
def test_the_hunks_between_two_versions_lead_from_one_to_the_other(
    old: list[bytes], new: list[bytes], old_end: bool, new_end: bool
) -> None:
    before = b"\n".join(old) + (b"\n" if old and old_end else b"")
    after = b"\n".join(new) + (b"\n" if new and new_end else b"")
    hunks = hunks_between(before, after)
    assert apply(before, hunks) == after
    file = FileChange("f", "modified", hunks=hunks)
    texts = after.decode().split("\n")
    assert all(texts[number - 1] == text for number, text in file.commentable("new").items())
    assert bool(hunks) == (before != after)
