"""What the documentation promises is what the program does: slugs, exit codes, flags, set-up commands, links."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from support.cli import loom
from support.data import ROOT, SHARED

from loom import analyzers, llm, outputs
from loom.cli.app import run
from loom.config.load import Sources, load
from loom.config.schema import BUILTINS
from loom.core.result import PipelineStatus
from loom.engine.gate import Exit
from loom.llm import scripted
from loom.llm.endpoints import ENDPOINTS
from loom.outputs.base import Look
from loom.store import record

SOURCES = sorted((ROOT / "src" / "loom").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")

_FENCE = re.compile(r"^( *)```[^\n]*\n.*?^\1```", re.M | re.S)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.M)
_LINK = re.compile(r"\]\(<?([^)>\s]+)>?\)")


def page(path: Path) -> str:
    return path.read_text("utf-8")


def name_of(path: object) -> str:
    return path.relative_to(ROOT).as_posix() if isinstance(path, Path) else ""


# -- errors -----------------------------------------------------------------------------------------------------------


def slugs_in(source: Path) -> Iterator[str]:
    """Every slug that a module gives to an error or a notice, in whatever way it is written down there."""
    for node in ast.walk(ast.parse(source.read_bytes())):
        match node:
            case ast.keyword(arg="slug"):
                yield from texts(node.value)
            case ast.AnnAssign(target=ast.Name(id="default_slug" | "slug"), value=ast.expr() as value):
                yield from texts(value)
            case ast.Assign(targets=[ast.Name(id="default_slug" | "slug" | "_SLUGS")]):
                yield from texts(node.value)
            case ast.Call(func=ast.Name(id="Notice") | ast.Attribute(attr="notice"), args=[first, *_]):
                yield from texts(first)
            case ast.Call(func=ast.Attribute(attr="_notice"), args=[first, *_]) if source.parent.name == "analyzers":
                yield from texts(first)
            case ast.FunctionDef() if "slug" in (names := [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]):
                defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
                yield from (text for d in defaults[-len(names) :] for text in texts(d))
    if source.parent.name == "llm":  # there slugs are passed on by position; all begin alike
        yield from re.findall(r'"(model-[a-z-]+)"', source.read_text("utf-8"))


def texts(node: ast.expr) -> Iterator[str]:
    """The slugs an expression can come to: constants in it, and `pipeline-{status}` for every status."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.JoinedStr):
            head = inner.values[0]
            assert isinstance(head, ast.Constant)
            assert head.value == "pipeline-", "a slug is put together in a way that this test does not know"
            yield from (f"pipeline-{status}" for status in get_args(PipelineStatus) if status in ("failed", "partial"))
        text = inner.value if isinstance(inner, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch(r"[a-z]+(-[a-z]+)*", text):
            yield text


NO_SLUGS = {
    *("timeout", "broken", "too-large", "url"),  # kinds of network failure, from which a slug is chosen
    *("auth", "not-found", "quota", "rate", "server", "bad-request"),  # the same for models
}


def known_slugs() -> set[str]:
    found = {slug for source in SOURCES for slug in slugs_in(source)}
    return found - (NO_SLUGS - {"not-found"})  # a script's program that is not there has this slug


def test_every_slug_has_its_place_in_the_list_of_errors_and_every_place_its_slug() -> None:
    anchors = re.findall(r"^### `([a-z-]+)`$", page(ROOT / "docs" / "errors.md"), re.M)
    assert sorted(anchors) == sorted(set(anchors))
    assert sorted(known_slugs() - set(anchors)) == []
    assert sorted(set(anchors) - known_slugs()) == []


# -- exit codes -------------------------------------------------------------------------------------------------------


def codes(text: str) -> list[int]:
    return [int(code) for code in re.findall(r"^\| \**(\d+)\** \|", text, re.M)]


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "docs" / "exit-codes.md"], ids=name_of)
def test_the_table_of_exit_codes_is_the_programs(path: Path) -> None:
    assert codes(page(path)) == sorted(Exit)


def test_exit_codes_named_in_the_help_exist(capsys: pytest.CaptureFixture[str]) -> None:
    said = re.search(r"Exit codes: (.+?)\.\s", shown(["review", "--help"], capsys), re.S)
    assert said
    assert {int(code) for code in re.findall(r"\b\d+\b", said[1])} <= set(Exit)


# -- commands and flags -----------------------------------------------------------------------------------------------

LATER = {"publish", "comment", "learn", "init", "doctor", "eval", "stats"}
"""Commands that pages may name when they say that these are not there yet."""

MINE = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/exit-codes.md", "docs/errors.md", "docs/models.md",
        "docs/sources.md", "docs/security-model.md", "docs/README.md")  # fmt: skip


def shown(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(argv) == 0
    return capsys.readouterr().out


def commands_in(text: str) -> set[tuple[str, ...]]:
    """Each command line of Loom in a text, as its words."""
    found = set()
    pieces = [line.strip() for block in _FENCE.finditer(text) for line in block[0].splitlines()]
    pieces += re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for piece in pieces:
        for command in re.findall(r"(?:^|[ /$])(loom [a-z][^|&;#>\n]*|loom --?[a-zA-Z-]+)", piece):
            found.add(tuple(shlex.split(command.replace("…", " ").replace("'", " "))))
    return found


@pytest.mark.parametrize("path", MINE)
def test_commands_and_flags_in_the_pages_exist(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = shown(["--help"], capsys)
    for words in sorted(commands_in(page(ROOT / path))):
        name = words[1]
        if name in LATER:
            continue
        if name.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(name)}\b", table), words
            continue
        assert re.search(rf"^  {re.escape(name)} ", table, re.M), words
        help_text = shown([name, "--help"], capsys)
        if len(words) > 2 and re.search(rf"^  (?!-){re.escape(words[2])} ", help_text, re.M):
            help_text += shown([name, words[2], "--help"], capsys)
        for flag in (word.partition("=")[0] for word in words if word.startswith("-") and word != "-"):
            assert re.search(rf"(?<![\w-]){re.escape(flag)}\b", help_text), (words, flag)


def test_formats_models_and_analyzers_named_in_the_readme_are_all_there_are() -> None:
    for name in outputs.FORMATS:
        assert re.search(rf"\b{name}\b", README), name
    for name in BUILTINS:
        assert f"builtin/{name}" in README, name
    assert {f"builtin/{name}" for name in BUILTINS} == set(analyzers.TABLE)


def test_every_host_and_provider_stands_in_the_page_on_models() -> None:
    text = page(ROOT / "docs" / "models.md")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for endpoint in ENDPOINTS:
        if endpoint.host:
            named = [row for row in rows if f"`{endpoint.host.lstrip('.')}" in row or f"`*{endpoint.host}`" in row]
            assert named, endpoint.host
            assert all(f"`{key}`" in "\n".join(named) for key in endpoint.key_env), endpoint.host
    for provider in llm.TABLE:
        assert f"`{provider}`" in text, provider


# -- setting up -------------------------------------------------------------------------------------------------------


def set_up_commands() -> list[str]:
    """The two commands under "Set up"."""
    section = README.partition("\n## Set up\n")[2].partition("\n## ")[0]
    return [block[0].split("\n", 1)[1].rsplit("\n", 1)[0].strip() for block in _FENCE.finditer(section)][:2]


def test_the_readme_has_two_set_up_commands_of_one_line_each() -> None:
    first, second = set_up_commands()
    assert first == (
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/loom review --diff examples/shop.diff"
    )
    assert second == ".venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest -n 2"
    assert (ROOT / "examples" / "shop.diff").is_file()


def test_ci_installs_and_tests_with_the_second_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    for part in set_up_commands()[1].split(" && "):
        assert part.replace(".venv/bin/", "") in [line.strip() for line in lines], part


def test_the_output_in_the_readme_is_what_the_first_command_prints(tmp_path: Path) -> None:
    out = f"json:{tmp_path / 'r.json'}"
    # As in CI, where no model server of this machine is looked for.
    ran = loom("review", "--diff", "examples/shop.diff", "--output", out, cwd=ROOT, env={"CI": "true"})
    assert ran.code == Exit.BLOCKING
    result = record.loads((tmp_path / "r.json").read_bytes())
    printed = outputs.output("text")(result, Look(width=80, interactive=True))
    excerpt = next(block[0] for block in _FENCE.finditer(README) if "[…]" in block[0])
    at = 0
    for part in excerpt.split("\n", 1)[1].removesuffix("```").split("[…]\n"):
        found = printed.find(part, at)
        assert found >= 0, part
        at = found + len(part)
    assert printed.endswith(part)


@pytest.mark.parametrize("path", ["README.md", "docs/models.md"])
def test_configurations_in_the_pages_are_valid_and_in_effect(path: str) -> None:
    blocks = [block[0].split("\n", 1)[1].removesuffix("```") for block in _FENCE.finditer(page(ROOT / path))]
    configurations = [text for text in blocks if re.match(r"(# .*\n)?(models|pipelines):", text)]
    assert configurations
    for text in configurations:
        loaded = load(Sources(repo_read={".loom/config.yaml": text.encode()}.get))
        assert loaded.has_file
        assert not loaded.not_yet
        assert not loaded.notices


def test_the_script_in_the_page_on_models_is_one() -> None:
    block = next(b[0] for b in _FENCE.finditer(page(ROOT / "docs" / "models.md")) if b[0].startswith("```json"))
    first, last = scripted.parse(block.split("\n", 1)[1].removesuffix("```").encode(), where="docs/models.md")
    assert first.when == "src/cart.py"
    assert last.when is None


# -- links and texts --------------------------------------------------------------------------------------------------


def anchors_of(path: Path) -> set[str]:
    """Anchors as GitHub makes them from headings."""
    found: dict[str, int] = {}
    anchors = set()
    for _, heading in _HEADING.findall(_FENCE.sub("", page(path))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return anchors


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page(path)))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.is_relative_to(ROOT), target
        assert place.exists(), target
        if anchor:
            assert anchor in anchors_of(place), target


def test_the_index_names_every_page() -> None:
    index = page(ROOT / "docs" / "README.md")
    for path in (ROOT / "docs").rglob("*.md"):
        if path.name != "README.md":
            assert f"({path.relative_to(ROOT / 'docs').as_posix()})" in index, path


def test_decision_records_are_numbered_and_say_context_choice_and_price() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    for path in records:
        text = page(path)
        assert text.startswith(f"# {int(path.name[:4])}. "), path
        assert [title for _, title in _HEADING.findall(_FENCE.sub("", text)) if title in _PARTS] == _PARTS, path


_PARTS = ["Context", "Choice", "Given up"]


def test_every_dependency_has_its_reason() -> None:
    text = page(ROOT / "docs" / "adr" / "0001-dependencies.md")
    project = page(ROOT / "pyproject.toml")
    block = project.partition("\ndependencies = [")[2].partition("]")[0]
    names = re.findall(r'^  "([a-z0-9-]+)', block, re.M)
    assert len(names) >= 9
    for name in names:
        assert re.search(rf"^\| {name} \|", text, re.M), name


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_no_page_names_a_machine_or_its_package_index(path: Path) -> None:
    text = page(path)
    for place in (str(ROOT), str(SHARED), sys.prefix):
        assert place == "/" or place not in text
    assert not re.search(r"/(home|Users)/\w+/|(?<![\w.])/root/", text)
    assert not re.search(r"index[-_]url|find[-_]links|registry=", text, re.I)
    for host in re.findall(r"https?://([^/\s)`\"'>]+)", text):
        name = host.partition(":")[0]
        assert name in ("localhost", "127.0.0.1", "host", "…") or "." in name, host
        assert name == "127.0.0.1" or not re.fullmatch(r"[\d.]+", name), host
