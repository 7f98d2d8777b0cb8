"""What analysing without a model costs: secrets, SARIF in, HTML out. Prints JSON: name -> seconds or bytes.

Part of bench/run.py; also for itself: python bench/analysis.py
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

SARIF_RESULTS = 10_000
FINDINGS = 500


def secrets() -> dict[str, float]:
    """Ordinary source through the secret rules, MB per CPU second."""
    import polyglot

    from loom.infra.secrets import Masker

    lines = [line for text in polyglot.after(300).values() for line in text.split("\n")]
    masker = Masker(())
    masker.mask_lines(lines[:1000])
    seconds = _least(lambda: masker.mask_lines(lines))
    return {"secrets_mb_per_s": sum(len(line) + 1 for line in lines) / 1e6 / seconds}


def sarif() -> dict[str, float]:
    """A large SARIF file read into findings."""
    from loom.analyzers import formats
    from loom.analyzers.formats.base import Reading

    rules = [{"id": f"R{n}", "helpUri": f"https://rules.example.invalid/R{n}"} for n in range(200)]
    results = [
        {
            "ruleId": f"R{n % 200}",
            "ruleIndex": n % 200,
            "level": ("error", "warning", "note")[n % 3],
            "message": {"text": f"Something is wrong with item {n}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f"src/module_{n % 300}.py"},
                        "region": {"startLine": n % 900 + 1, "startColumn": 5, "endLine": n % 900 + 1, "endColumn": 20},
                    }
                }
            ],
        }
        for n in range(SARIF_RESULTS)
    ]
    run = {"tool": {"driver": {"name": "bench", "rules": rules}}, "results": results}
    data = json.dumps({"version": "2.1.0", "runs": [run]}).encode()
    reading = Reading(root=Path("/repo"), known=frozenset(f"src/module_{n}.py" for n in range(300)))
    assert len(formats.parse("sarif", data, reading).findings) == SARIF_RESULTS
    return {"sarif_s": _least(lambda: formats.parse("sarif", data, reading))}


def html() -> dict[str, float]:
    """The page of a review with many findings: time, and bytes besides the diff."""
    from loom import outputs
    from loom.outputs.base import Look

    render = outputs.output("html")
    with_findings, without = _result(FINDINGS), _result(0)
    page, bare = render(with_findings, Look()), render(without, Look())
    own = len(page.encode()) - len(bare.encode())
    return {"html_s": _least(lambda: render(with_findings, Look())), "html_bytes": own, "html_page": len(page.encode())}


def _result(findings: int):  # type: ignore[no-untyped-def] # a ReviewResult, which is imported on use
    from loom.core.change import ChangeRef
    from loom.core.finding import Finding, Severity, Suggestion
    from loom.core.result import Outcome, PipelineOutcome, ResultFile, ResultHunk, ReviewResult

    lines = tuple(("+", f"    value_{n} = compute(order, {n})  # line {n}") for n in range(1, 501))
    files = tuple(
        ResultFile(
            path=f"src/module_{n}.py", old_path=None, status="added", added=500, deleted=0, binary=False,
            reviewed=True, reason=None, commentable="1-500",
            hunks=(ResultHunk(old_start=0, new_start=1, section="", lines=lines),),  # type: ignore[arg-type]
        )
        for n in range(10)
    )  # fmt: skip
    found = tuple(
        Finding(
            fingerprint=f"{n:016x}", pipeline="rules", sources=("rules", "linter/ruff"), rule="sql-injection",
            category="security", severity=tuple(Severity)[n % 3], title=f"A value is written into statement {n}",
            message="A value with a quote in it ends the literal and goes on as SQL.\n\nUse `execute(sql, (id,))`.",
            path=f"src/module_{n % 10}.py", line=n // 10 + 1, end_line=n // 10 + 1, column=5, side="new",
            quote=lines[n // 10][1], suggestion=Suggestion(n // 10 + 1, n // 10 + 1, "    value = 1", True),
            confidence=None, anchor="exact", deterministic=True, deterministic_severity=tuple(Severity)[n % 3],
            rule_url="https://cwe.mitre.org/data/definitions/89.html",
        )
        for n in range(findings)
    )  # fmt: skip
    outcome = Outcome(ran=True, complete=True, blocking=False, delivered=None, skipped=None, exit_code=0)
    ran = (PipelineOutcome(name="rules", kind="builtin", status="ok"),)
    return ReviewResult(
        tool_version="0", change=ChangeRef("local"), config_hash="", outcome=outcome, files=files, findings=found,
        pipelines=ran,
    )  # fmt: skip


def _least(work: Callable[[], object], times: int = 5) -> float:
    """CPU seconds of the fastest of several runs, after one that warms up."""
    work()
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


if __name__ == "__main__":
    if importlib.util.find_spec("loom") is None:  # run.py measures what is installed
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    print(json.dumps({**secrets(), **sarif(), **html()}))
