"""The model server of the benchmark, a process of its own: answers after a set time, and counts what it was asked.

Run by run.py. A line on stdin asks for the counts since the last one, as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.fake_model import FakeModel

_HUNK = re.compile(r"^@@ (\S.*#\S+) @@", re.MULTILINE)
_FILE = re.compile(r"^=== (\S+) \(modified\)$", re.MULTILINE)
_ADDED = re.compile(r"^ *(\d+) \+ \| (.+)$", re.MULTILINE)


def answer(prompt: str, _body: dict[str, Any]) -> str:
    """One finding for each of the first three files, on its first new line: an answer as long as a usual one."""
    prompt = prompt[prompt.rindex("The change:") :]
    findings = []
    for file in list(_FILE.finditer(prompt))[:3]:
        line = _ADDED.search(prompt, file.end())
        if line is not None:
            findings.append(_finding(file[1], int(line[1]), line[2]))
    return json.dumps({"summary": "Rounding changed.", "coverage": _HUNK.findall(prompt), "findings": findings})


def _finding(path: str, line: int, quote: str) -> dict[str, object]:
    return {
        "path": path, "line": line, "end_line": line, "side": "new", "severity": "warning", "category": "bug",
        "title": "The total is rounded before the tax is added",
        "message": "With three items of 0.335 the invoice is 0.01 short of its lines. Round once, at the end",
        "quote": quote, "suggestion": None, "confidence": 0.8, "rule": None,
    }  # fmt: skip


def main() -> None:
    """Serve until stdin closes. argv[1]: seconds before the first byte of an answer."""
    with FakeModel(answer, latency_s=float(sys.argv[1])) as server:
        print(server.url(), flush=True)
        for _ in sys.stdin:
            asked, server.requests[:] = list(server.requests), []
            looked, server.lookups[:] = len(server.lookups), []
            prompts = sum(len(m["content"].encode()) for got in asked for m in got.body["messages"])
            counts = {"requests": len(asked), "lookups": looked, "prompt_bytes": prompts}
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
