"""Which server answers on this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from support.asking import network
from support.fake_model import FakeModel

from loom.llm.detect import Found, Server, best, candidates, detect, listening


def ollama(server: FakeModel) -> Server:
    return Server("Ollama", "ollama", server.origin)


def compatible(server: FakeModel) -> Server:
    return Server("vLLM", "openai-compatible", server.origin)


def find(*servers: Server) -> Found | None:
    async def run() -> Found | None:
        net = network()
        try:
            return await detect({}, net, servers=servers)
        finally:
            await net.aclose()

    return asyncio.run(run())


def test_nothing_listens_and_nothing_is_imported_to_find_that_out() -> None:
    code = (
        "import sys\nfrom loom.llm.detect import Server, listening\n"
        "print(listening([Server('x', 'ollama', 'http://127.0.0.1:1'), Server('y', 'ollama', 'http://[::1]:1')]))\n"
        "print({'httpx2', 'tenacity', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "()\nset()\n"


def test_open_ports_are_told_from_closed_ones_in_the_order_given() -> None:
    with FakeModel() as first, FakeModel() as second:
        closed = Server("closed", "ollama", "http://127.0.0.1:1")
        asked = [compatible(second), closed, ollama(first)]
        assert listening(asked) == (asked[0], asked[2])


def test_a_compatible_server_is_found_with_its_model() -> None:
    with FakeModel(models=("bge-small-embed", "llama-3.3", "qwen3-coder-30b")) as server:
        found = find(Server("closed", "ollama", "http://127.0.0.1:1"), compatible(server))
        assert found == Found(compatible(server), "qwen3-coder-30b")
        assert (found.provider, found.base_url) == ("openai-compatible", f"{server.origin}/v1")


def test_a_loaded_ollama_model_goes_before_a_better_one_that_is_not() -> None:
    tags = {"models": [{"name": "qwen3-coder:30b", "size": 9}, {"name": "llama3.2:3b", "size": 2}]}
    with FakeModel(documents={"/api/tags": tags, "/api/ps": {"models": [{"name": "llama3.2:3b"}]}}) as server:
        assert find(ollama(server)) == Found(ollama(server), "llama3.2:3b")
    with FakeModel(documents={"/api/tags": tags}) as server:
        assert find(ollama(server)) == Found(ollama(server), "qwen3-coder:30b")


@pytest.mark.parametrize(
    "documents", [{"/v1/models": []}, {"/v1/models": {"data": [{"id": 3}, 4]}}, {"/v1/models": {}}]
)
def test_another_program_on_the_port_is_not_a_model_server(documents: dict[str, object]) -> None:
    with FakeModel(documents=documents) as server:
        found = find(compatible(server))
        assert found is None or found.model == "3"


def test_where_to_look_follows_ollamas_variable_only_on_this_machine() -> None:
    assert candidates({"OLLAMA_HOST": "0.0.0.0:9000"})[0].origin == "http://127.0.0.1:9000"
    for elsewhere in ("gpu.corp:11434", "10.0.0.3", ""):
        assert [s.origin for s in candidates({"OLLAMA_HOST": elsewhere})] == [
            "http://127.0.0.1:11434", "http://127.0.0.1:1234", "http://127.0.0.1:8080", "http://127.0.0.1:8000",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["llama3:8b", "devstral:24b"], "devstral:24b"),
        (["phi-4", "some-model"], "phi-4"),
        (["nomic-embed-text"], None),
        ([], None),
    ],
)
def test_what_is_made_for_code_goes_first_and_embeddings_never(names: list[str], chosen: str | None) -> None:
    assert best(names) == chosen
