"""CONTRIBUTING's lists, each carried out once: a rule, a linter, an input format and an output join in by a file and a
row, and a review works with them. The output is done in test_output_writer.py."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest
from support.cli import loom
from support.repos import Repo

from loom.analyzers import formats, linter_file
from loom.analyzers.linters import LinterRun, Place, Settings, Where
from loom.analyzers.script import Script
from loom.config.schema_pipelines import OutputFormat
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.diff import FileChange
from loom.core.finding import Severity

RULE = """\
id: sleeping-retry
severity: warning
category: performance
message: This retry waits longer than anybody does.
why: A person at a browser has left by then.
fix: Wait for at most a second.
references: ["https://example.invalid/retries"]
languages: [python]
keywords: [sleep]
rule: {pattern: time.sleep($N)}
constraints:
  N: {regex: "^[0-9]{2,}$"}
bad: ["time.sleep(60)"]
good: ["time.sleep(0.5)"]
"""

FORMAT = '''\
"""Lines of `path,line,message`."""

from loom.analyzers.formats.base import Parsed, malformed
from loom.core.finding import RawFinding


def parse(data, reading):
    findings = []
    for row in data.decode().splitlines():
        if row.count(",") < 2:
            raise malformed("a line is not path,line,message", hint="check the command")
        path, line, message = row.split(",", 2)
        findings.append(RawFinding(path=reading.path(path), line=int(line), message=message))
    return Parsed(tuple(findings))
'''

ROW = """\
[wordy]
title = "Wordy"
docs = "https://wordy.example.invalid/"
files = ["*.txt"]
command = ["wordy", "{files}"]
format = "text"
findings = [1]
configured_by = ["wordy.toml"]
config = ["wordy.toml"]
install = "pip install wordy"
version = ["wordy", "--version"]
category = "docs"
rule_url = "https://wordy.example.invalid/{rule_lower}"

[wordy.severity]
"W1*" = "info"
"""


def change(*paths: str) -> ChangeSet:
    files = tuple(FileChange(path, "added", new_mode="100644", added=1) for path in paths)
    return ChangeSet(ChangeRef("local"), files)


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    place = folder / name
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    return place


def test_a_rule_is_a_file_and_its_examples_are_its_tests(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "repo")
    repo.commit("first", {"a.py": "import time\n", ".loom/rules/sleeping-retry.yaml": RULE})
    assert loom("rules", "test", cwd=repo.root).out.endswith("examples: all as they should be\n")
    assert loom("trust", cwd=repo.root).code == 0
    repo.write({"a.py": "import time\ntime.sleep(60)\ntime.sleep(0.5)\n"})
    result: Any = json.loads(loom("review", "--pipeline", "rules", "--format", "json", cwd=repo.root).out)
    assert [(f["line"], f["rule"], f["rule_url"]) for f in result["findings"]] == [
        (2, "sleeping-retry", "https://example.invalid/retries")
    ]


def test_a_linter_is_a_row(tmp_path: Path) -> None:
    (row,) = linter_file.read(ROW).values()
    root = tmp_path / "repo"
    root.mkdir()
    (root / "a.txt").write_text("very\n")
    wordy = program(tmp_path / "bin", "wordy", 'echo "$1:1:1: W12 this word says nothing"; exit 1')
    where = Where(root=root, environ={"PATH": f"{wordy.parent}:/usr/bin:/bin"}, folders={".": Place()})
    report = LinterRun(row, where, Settings(name="linter/wordy")).run(change("a.txt", "b.py"), NoFiles())
    (finding,) = report.findings
    assert (finding.path, finding.line, finding.rule, finding.severity) == ("a.txt", 1, "W12", Severity.INFO)
    assert (finding.category, finding.rule_url) == ("docs", "https://wordy.example.invalid/w12")


def test_an_input_format_is_a_module_with_a_function_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "comma_lines.py").write_text(FORMAT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(formats.FORMATS, "comma-lines", "comma_lines:parse")
    root = tmp_path / "repo"
    root.mkdir()
    (root / "a.txt").write_text("one\n")
    tool = program(tmp_path / "bin", "tool", 'echo "./$1,1,too short"')
    script = Script(
        name="tool", run=f"{tool} {{files}}", parse_output="comma-lines", root=root, environ={"PATH": "/usr/bin:/bin"}
    )
    (finding,) = script.run(change("a.txt"), NoFiles()).findings
    assert (finding.path, finding.line, finding.message) == ("a.txt", 1, "too short")


def test_every_input_format_can_be_configured_and_every_configurable_one_is_there() -> None:
    assert set(typing.get_args(OutputFormat)) == set(formats.FORMATS)
