"""The reference and the JSON Schema say what the schema says.

`REGENERATE=1 pytest tests/unit/test_config_docs.py` rewrites the second half of docs/configuration.md.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from loom import analyzers
from loom.cli.config_cmd import schema
from loom.config.load import Sources, load
from loom.config.problems import bare, piece_of
from loom.config.reference import reference
from loom.config.schema import BUILTINS, Config
from loom.infra import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
CASES = ROOT / "tests" / "cases" / "config"
MARK = "<!-- The rest of this page is made from the schema: tests/unit/test_config_docs.py says how. -->\n\n"


def test_the_reference_is_the_schemas() -> None:
    text = PAGE.read_text("utf-8")
    head, _, tail = text.partition(MARK)
    if os.environ.get("REGENERATE"):
        PAGE.write_text(head + MARK + reference(), "utf-8")
        tail = reference()
    assert tail == reference()


def pieces(piece: type[BaseModel]) -> list[type[BaseModel]]:
    found = [piece]
    for field in piece.model_fields.values():
        inner = [field.annotation, *getattr(bare(field.annotation), "__args__", ())]
        for annotation in inner:
            if (below := piece_of(annotation)) is not None and below not in found:
                found += pieces(below)
    return found


def test_every_key_has_a_description_and_stands_in_the_reference() -> None:
    text = reference()
    for piece in pieces(Config):
        assert piece.__doc__
        for key, field in piece.model_fields.items():
            assert field.description, f"{piece.__name__}.{key}"
            assert f"| `{key}` |" in text


def test_the_examples_of_the_page_are_valid() -> None:
    page = PAGE.read_text("utf-8").partition(MARK)[0]
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    checker = jsonschema.Draft202012Validator(json.loads(schema()))
    load(Sources(repo_read={".loom/config.yaml": examples[0].encode()}.get))
    checker.validate(yaml.load(examples[0].encode(), file="x").value)
    load(Sources(repo_read={}.get, policy=("policy.yaml", examples[2].encode())))


def test_the_json_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


@pytest.mark.parametrize("case", ["aliases", "extends", "idle_keys", "local_server", "not_yet", "empty"])
def test_the_json_schema_takes_what_loom_takes(case: str) -> None:
    checker = jsonschema.Draft202012Validator(json.loads(schema()))
    for file in sorted((CASES / case).rglob("*.yaml")):
        value = yaml.load(file.read_bytes(), file=file.name).value or {}
        checker.validate(value)


def test_the_json_schema_refuses_unknown_keys() -> None:
    checker = jsonschema.Draft202012Validator(json.loads(schema()))
    assert not checker.is_valid({"triggers": {"ignore_pahts": []}})
    assert not checker.is_valid({"models": {"default": {}}})


def test_the_analyzers_a_pipeline_may_use_are_the_ones_there_are() -> None:
    assert {f"builtin/{name}" for name in BUILTINS} == set(analyzers.TABLE)
