"""Runs the steps of a composite action as GitHub's runner does, as far as our action.yml goes: expressions, `if`,
`env`, outputs, bash. Steps that use other actions are noted, not run.

https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_TOKEN = re.compile(r"\s*(?:(\(|\)|&&|\|\||==|!=|!|,)|('(?:[^']|'')*')|([A-Za-z_][\w.-]*)|(\d+))")
_STATUS = re.compile(r"\b(?:always|success|failure|cancelled)\(\)")

_PYTHON = f"""#!/bin/sh
# Plays a runner's Python: everything is real but the installation.
case "$*" in
  *"-m venv "*)
    for last; do :; done
    mkdir -p "$last/bin"
    cp "$RUNNER_TEMP/fake-python" "$last/bin/python"
    cp "$RUNNER_TEMP/fake-loom" "$last/bin/loom"
    chmod +x "$last/bin/python" "$last/bin/loom" ;;
  *) exec "{sys.executable}" "$@" ;;
esac
"""

_VENV_PYTHON = f"""#!/bin/sh
case "$*" in
  *"-m pip"*) env > "$RUNNER_TEMP/pip.env"; echo "$@" >> "$RUNNER_TEMP/pip.calls" ;;
  *) exec "{sys.executable}" "$@" ;;
esac
"""


def python_without_installing(temp: Path, loom: str) -> Path:
    """A Python for a runner with that RUNNER_TEMP. All is real but the installation: there `loom` is a shell script."""
    temp.mkdir(exist_ok=True)
    for name, text in (("python3", _PYTHON), ("fake-python", _VENV_PYTHON), ("fake-loom", loom)):
        (temp / name).write_text(text)
        (temp / name).chmod(0o755)
    return temp / "python3"


@dataclass
class Job:
    """What the runner hands to the action, and what became of it."""

    action: Path
    temp: Path
    workspace: Path
    inputs: Mapping[str, str] = field(default_factory=dict)
    github: Mapping[str, Any] = field(default_factory=dict)
    """The `github` context; `event_name` and `token` among it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Of the job and of the step that uses the action."""
    outputs: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Actions that steps would have used, with their inputs."""
    ran: list[str] = field(default_factory=list)
    log: str = ""
    failed: int = 0
    """Exit code of the first step that failed."""

    def run(self) -> Job:
        document = yaml.safe_load(self.action.read_text())
        self._given = {name: str(row.get("default", "")) for name, row in document["inputs"].items()} | {**self.inputs}
        self._given = {name: self._text(value) for name, value in self._given.items()}
        self._steps: dict[str, dict[str, str]] = {}
        for number, step in enumerate(document["runs"]["steps"]):
            self._step(step, number)
        self.outputs = {name: self._text(row["value"]) for name, row in document["outputs"].items()}
        return self

    def _step(self, step: dict[str, Any], number: int) -> None:
        condition = str(step.get("if", "success()")).strip().removeprefix("${{").removesuffix("}}")
        if (self.failed and not _STATUS.search(condition)) or not _truth(self._value(condition)):
            return
        self.ran.append(step["name"])
        if "uses" in step:
            self.used.append((step["uses"], {k: self._text(str(v)) for k, v in step.get("with", {}).items()}))
            return
        assert step["shell"] == "bash"
        files = {
            name: self.temp / f"{name}-{number}" for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for path in files.values():
            path.write_text("")
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "GIT_CONFIG_NOSYSTEM") if name in os.environ},
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(self.temp),
            "LANG": "C.UTF-8",
            "GITHUB_EVENT_NAME": str(self.github.get("event_name", "")),
            "GITHUB_ACTION_PATH": str(self.action.parent),
            **self.env,
            **{name: str(path) for name, path in files.items()},
            **{name: self._text(str(value)) for name, value in step.get("env", {}).items()},
        }
        script = self.temp / f"step-{number}.sh"
        script.write_text(self._text(step["run"]))
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.workspace, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
        )  # fmt: skip
        self.log += done.stdout.decode()
        self.failed = self.failed or done.returncode
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        self._steps[step.get("id", "")] = dict(line.split("=", 1) for line in lines)

    def _text(self, template: str) -> str:
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: _shown(self._value(found[1])), template)

    def _value(self, expression: str) -> object:
        parser = _Parser(_tokens(expression), self._lookup)
        value = parser.any_of()
        assert not parser.tokens, f"not understood: {parser.tokens} in {expression}"
        return value

    def _lookup(self, name: str) -> object:
        found: object = {
            "inputs": self._given if hasattr(self, "_given") else {},
            "github": self.github,
            "runner": {"temp": str(self.temp), "os": "Linux"},
            "strategy": {"job-index": 0},
            "steps": {step: {"outputs": outputs} for step, outputs in getattr(self, "_steps", {}).items()},
            "always": True,
            "success": not self.failed,
        }
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        assert match, f"not understood: {expression[at:]}"
        found.append(match[0].strip())
        at = match.end()
    return found


@dataclass
class _Parser:
    tokens: list[str]
    lookup: Any

    def any_of(self) -> object:
        value = self.all_of()
        while self._took("||"):
            other = self.all_of()
            value = value if _truth(value) else other
        return value

    def all_of(self) -> object:
        value = self.compared()
        while self._took("&&"):
            other = self.compared()
            value = other if _truth(value) else value
        return value

    def compared(self) -> object:
        value = self.unary()
        for sign in ("==", "!="):
            if self._took(sign):
                return (_shown(value).casefold() == _shown(self.unary()).casefold()) == (sign == "==")
        return value

    def unary(self) -> object:
        if self._took("!"):
            return not _truth(self.unary())
        if self._took("("):
            value = self.any_of()
            assert self._took(")")
            return value
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._took("("):
            assert self._took(")"), f"{token} with arguments"
        return self.lookup(token)

    def _took(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            self.tokens.pop(0)
            return True
        return False


def _truth(value: object) -> bool:
    return value not in (None, False, "", 0)


def _shown(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
