"""A handful of review results, written out, that every output is shown with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loom.core.change import ChangeRef
from loom.core.finding import Finding, Severity, SourceRule, Suggestion
from loom.core.result import (
    Dropped,
    Notice,
    Outcome,
    PipelineOutcome,
    Redaction,
    ResultFile,
    ResultHunk,
    ReviewResult,
    Usage,
)

FINE = Outcome(ran=True, complete=True, blocking=False, delivered=None, skipped=None, exit_code=0)
LOCAL = ChangeRef(
    "local",
    base_sha="1f3c9a2b7d5e4f60718293a4b5c6d7e8f9012345",
    merge_base="1f3c9a2b7d5e4f60718293a4b5c6d7e8f9012345",
    head_sha="9b2d1c0e8f7a6b5c4d3e2f1a0b9c8d7e6f504132",
)


def finding(**changes: Any) -> Finding:
    """A finding with everything filled in but what `changes` says."""
    values: dict[str, Any] = {
        "fingerprint": "a1b2c3d4e5f60718",
        "pipeline": "review",
        "sources": ("review",),
        "rule": None,
        "category": "bug",
        "severity": Severity.WARNING,
        "title": "Unknown discount code raises KeyError",
        "message": "A code that is not in the table ends the checkout with a `KeyError`.",
        "path": "src/cart.py",
        "line": 42,
        "end_line": 42,
        "column": None,
        "side": "new",
        "quote": "rate = DISCOUNTS[code]",
        "suggestion": None,
        "confidence": 0.9,
        "anchor": "exact",
        "deterministic": False,
        "deterministic_severity": None,
        "rule_url": None,
        "also": (),
        "aliases": (),
        "state": "new",
    }
    return Finding(**values | changes)


CART = ResultFile(
    path="src/cart.py",
    old_path=None,
    status="modified",
    added=3,
    deleted=1,
    binary=False,
    reviewed=True,
    reason=None,
    commentable="39-46",
    hunks=(
        ResultHunk(
            old_start=39,
            new_start=39,
            section="def total(items, code):",
            lines=(
                (" ", "def total(items, code):"),
                (" ", '    """What the customer pays, discount included."""'),
                (" ", "    subtotal = sum(item.price * item.count for item in items)"),
                ("-", "    rate = DISCOUNTS.get(code, 0)"),
                ("+", "    rate = DISCOUNTS[code]"),
                ("+", "    if rate is 0:"),
                ("+", "        return subtotal"),
                (" ", "    return subtotal * (1 - rate)"),
                (" ", ""),
            ),
        ),
    ),
)
SETTINGS = ResultFile(
    path="deploy/settings.py",
    old_path="settings.py",
    status="renamed",
    added=2,
    deleted=0,
    binary=False,
    reviewed=True,
    reason=None,
    commentable="1-4",
    hunks=(
        ResultHunk(
            old_start=1,
            new_start=1,
            section="",
            lines=(
                (" ", "import os"),
                ("+", "DEBUG = True"),
                ("+", 'TOKEN = "[REDACTED:github-token:1]"'),
                (" ", "HOSTS = os.environ['HOSTS'].split()"),
            ),
        ),
    ),
)
OLD = ResultFile(
    path="src/legacy.py",
    old_path=None,
    status="deleted",
    added=0,
    deleted=3,
    binary=False,
    reviewed=True,
    reason=None,
    commentable="",
    hunks=(
        ResultHunk(
            old_start=1,
            new_start=0,
            section="",
            lines=(("-", "def refund(order):"), ("-", "    ledger.lock(order.id)"), ("-", "    ledger.refund(order)")),
        ),
    ),
)
LOCK = ResultFile(
    path="package-lock.json",
    old_path=None,
    status="modified",
    added=812,
    deleted=790,
    binary=False,
    reviewed=False,
    reason="a lock file",
    commentable="",
)
LOGO = ResultFile(
    path="docs/logo.png",
    old_path=None,
    status="added",
    added=0,
    deleted=0,
    binary=True,
    reviewed=False,
    reason="binary",
    commentable="",
)

MODEL = PipelineOutcome(
    name="review",
    kind="llm",
    status="ok",
    model="claude-sonnet-5-5",
    requests=1,
    input_tokens=12_340,
    cached_tokens=9_000,
    output_tokens=1_204,
    cost_usd=0.0412,
    duration_ms=8_310,
)
SECRETS = PipelineOutcome(name="builtin/secrets", kind="builtin", status="ok", duration_ms=12)
RULES = PipelineOutcome(name="builtin/rules", kind="builtin", status="ok", duration_ms=86)
TIMINGS = {"source": 41, "config": 12, "plan": 9, "run": 8_320, "publish": 0, "total": 8_402}


def result(**changes: Any) -> ReviewResult:
    """A complete review of one file without findings, but for what `changes` says."""
    values: dict[str, Any] = {
        "tool_version": "0.1.0",
        "change": LOCAL,
        "config_hash": "5f2c7a9e01b3d468",
        "outcome": FINE,
        "files": (CART,),
        "pipelines": (MODEL, SECRETS, RULES),
        "timings_ms": TIMINGS,
        "usage": Usage(requests=1, input_tokens=12_340, output_tokens=1_204, cost_usd=0.0412),
    }
    return ReviewResult(**values | changes)


def _findings() -> ReviewResult:
    return result(
        outcome=replace(FINE, blocking=True, exit_code=1),
        files=(CART, SETTINGS, OLD, LOCK, LOGO),
        findings=(
            finding(
                fingerprint="0c4e2f7a91b8d635",
                pipeline="builtin/secrets",
                sources=("builtin/secrets", "linter/gitleaks", "linter/semgrep"),
                rule="secrets/github-token",
                category="secret",
                severity=Severity.BLOCKER,
                title="A GitHub token is in the code",
                message="Whoever can read the repository can use it, and removing the line does not take it out of "
                "the history.\n\nRevoke it at the place that issued it, then read it from the environment or a secret "
                "store.",
                path="deploy/settings.py",
                line=3,
                end_line=3,
                column=10,
                quote=None,
                confidence=None,
                deterministic=True,
                deterministic_severity=Severity.BLOCKER,
                rule_url="https://docs.github.com/en/code-security/secret-scanning",
                also=(
                    SourceRule("linter/gitleaks", "github-pat", "https://gitleaks.io/rules#github-pat"),
                    SourceRule("linter/semgrep", "generic.secrets.detected-github-token"),
                ),
            ),
            finding(
                severity=Severity.BLOCKER,
                sources=("review", "logic"),
                anchor="moved",
                suggestion=Suggestion(42, 42, "    rate = DISCOUNTS.get(code, 0)", committable=True),
                message="`DISCOUNTS[code]` raises `KeyError` for every code that is not in the table, and for "
                "`None`, which is what the form sends when the field is left empty. The line before this "
                'change fell back to 0, and `checkout.py` relies on that:\n\n    total(items, form.get("code"))\n\n'
                "Keep the fallback.",
            ),
            finding(
                fingerprint="77aa01c2d3e4f586",
                severity=Severity.WARNING,
                rule="python/is-literal",
                pipeline="builtin/rules",
                sources=("builtin/rules",),
                title='Comparison with "is" against a number',
                line=43,
                end_line=44,
                quote=None,
                message="Whether two equal numbers are one object depends on the interpreter.",
                confidence=None,
                suggestion=Suggestion(43, 44, "    if rate == 0:\n        return subtotal", committable=False),
                deterministic=True,
                deterministic_severity=Severity.WARNING,
                state="open",
            ),
            finding(
                fingerprint="d00d1e55f00dbabe",
                severity=Severity.WARNING,
                title="The lock around the refund is gone",
                message="Two refunds of one order can now run at the same time.",
                category="concurrency",
                path="src/legacy.py",
                line=2,
                end_line=2,
                side="old",
                quote="ledger.lock(order.id)",
                confidence=0.55,
            ),
            finding(
                fingerprint="beefcafe12345678",
                severity=Severity.INFO,
                title="No test calls total() with an unknown code",
                message="No test calls total() with an unknown code",
                category="tests",
                line=None,
                end_line=None,
                quote=None,
                anchor="file",
                confidence=0.7,
            ),
            finding(
                fingerprint="1122334455667788",
                severity=Severity.INFO,
                title="The manual still names settings.py",
                message="Its new place is deploy/settings.py.",
                category="docs",
                path="docs/install.md",
                line=None,
                end_line=None,
                quote=None,
                anchor="none",
                confidence=0.8,
                pipeline="docs",
                sources=("docs",),
            ),
        ),
        fixed=("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"),
        dropped=(
            Dropped("invented_quote", {"pipeline": "review", "path": "src/cart.py", "line": 12, "quote": "eval(code)"}),
            Dropped("below_confidence", {"pipeline": "review", "path": "src/cart.py", "line": 44, "confidence": 0.2}),
        ),
        pipelines=(
            replace(
                MODEL,
                summary="Discounts are looked up directly, the settings move to deploy/, refunds lose their lock.",
            ),
            PipelineOutcome(
                name="logic",
                kind="llm",
                status="ok",
                model="qwen3-coder:30b",
                requests=2,
                retries=1,
                cache_hits=1,
                input_tokens=1_403_000,
                output_tokens=950,
                cost_usd=None,
                duration_ms=125_000,
            ),
            PipelineOutcome(
                name="docs", kind="llm", status="ok", model="claude-sonnet-5-5", cache_hits=1, duration_ms=3
            ),
            SECRETS,
            RULES,
        ),
        redactions=(Redaction("github-token", "deploy/settings.py", 3),),
        timings_ms=TIMINGS | {"total": 125_431},
        usage=Usage(requests=3, input_tokens=1_415_340, output_tokens=2_154, cost_usd=None, cache_hits=2),
        warnings=(Notice("model-price", "The price of qwen3-coder:30b is not known", "set models.<name>.price"),),
    )


def _incomplete() -> ReviewResult:
    big = replace(
        CART, path="db/seed.sql", added=41_000, deleted=0, reviewed=False, reason="over 20,000 changed lines", hunks=()
    )
    other = replace(big, path="db/more.sql")
    return result(
        outcome=replace(FINE, complete=False, exit_code=3),
        files=(CART, replace(SETTINGS, reason="1 of 2 hunks"), big, other, LOCK),
        findings=(finding(confidence=None),),
        pipelines=(
            replace(
                MODEL,
                status="partial",
                reason="the answer was cut off after 8,000 tokens",
                hint="raise models.default.max_tokens",
                not_reviewed=("deploy/settings.py#2",),
            ),
            PipelineOutcome(
                name="security",
                kind="llm",
                status="failed",
                model="gpt-5.6",
                requests=4,
                retries=3,
                duration_ms=61_000,
                reason="api.openai.com answered 529 (overloaded) four times",
                hint="try again, or name a fallback model",
                not_reviewed=("src/cart.py#1", "deploy/settings.py#1", "deploy/settings.py#2"),
            ),
            PipelineOutcome(
                name="bandit",
                kind="script",
                status="skipped",
                required=False,
                reason="the checkout is not accepted",
                hint="look at .loom/, then run loom trust",
            ),
            SECRETS,
        ),
        usage=Usage(requests=5, input_tokens=12_340, output_tokens=8_000, cost_usd=None),
        errors=(Notice("model-server", "api.openai.com answered 529 (overloaded)", "try again later", "security"),),
    )


HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]0;pwned\x07 \x9b2J\u202egpj.exe\u2066 pass\u200bword\r::error file=a.py::fake\n"
    "::set-env name=PATH::/tmp\n##vso[task.setvariable variable=PATH]/tmp ##[add-mask]x\n/approve\n"
    "[bold red]markup[/bold red] ![x](https://evil.invalid/?q=1) [Click to log in](https://evil.invalid/login) "
    "@octo/team #1\n"
    "</details><script>alert(1)</script> | cell | \\[x](y) \U000e0041\U000e0042 "
    "```\n```suggestion\nevil\n```\n<!-- loom:v1 -->"
)


def _hostile() -> ReviewResult:
    path = "etc/\x1b[2Jpass`wd|\n::error ::x\udcff.py"
    hunk = ResultHunk(
        old_start=1, new_start=1, section=HOSTILE, lines=(("+", "x = '\x1b[31m\u202e'\t# \t tab"), ("+", "界" * 60))
    )
    evil = replace(CART, path=path, old_path=HOSTILE, hunks=(hunk,), added=2, deleted=0)
    return result(
        change=replace(
            LOCAL, source="pr", number=7, title=HOSTILE, author=HOSTILE, url="https://git.example.invalid/o/r/pull/7"
        ),
        files=(evil, replace(LOGO, path="file:///etc/passwd", reason=HOSTILE)),
        findings=(
            finding(
                path=path,
                line=1,
                end_line=2,
                title=HOSTILE,
                message=HOSTILE,
                rule=HOSTILE,
                rule_url="javascript:alert(1)",
                quote=HOSTILE,
                pipeline=HOSTILE,
                sources=(HOSTILE,),
                suggestion=Suggestion(1, 1, HOSTILE, committable=True),
                also=(
                    SourceRule(HOSTILE, HOSTILE, "javascript:alert(1)"),
                    SourceRule("x", HOSTILE, "https://ok.invalid/\n::x::"),
                ),
            ),
            finding(
                path="file:///etc/passwd",
                severity=Severity.INFO,
                line=None,
                end_line=None,
                quote=None,
                anchor="file",
                title="",
                message="[x](https://evil.invalid)",
                fingerprint="f" * 16,
                rule_url="https://ok.invalid/a b",
            ),
        ),
        pipelines=(
            replace(
                MODEL,
                name=HOSTILE,
                model=HOSTILE,
                summary=HOSTILE,
                status="partial",
                reason=HOSTILE,
                hint=HOSTILE,
                not_reviewed=(HOSTILE,),
            ),
        ),
        outcome=replace(FINE, complete=False, exit_code=3),
        dropped=(Dropped("outside_change", {"message": HOSTILE, "path": path}),),
        redactions=(Redaction("jwt", path, 1),),
        warnings=(Notice("hostile", HOSTILE, HOSTILE),),
        errors=(Notice("hostile", HOSTILE, HOSTILE, HOSTILE),),
    )


CASES = {
    "clean": result(files=(CART, LOCK)),
    "findings": _findings(),
    "incomplete": _incomplete(),
    "hostile": _hostile(),
    "empty": result(files=(), pipelines=(), usage=Usage(), timings_ms={**TIMINGS, "run": 0, "total": 62}),
    "skipped": result(
        outcome=replace(FINE, ran=False, skipped='the title says "WIP"'),
        files=(CART,),
        pipelines=(),
        usage=Usage(),
        change=replace(
            LOCAL,
            source="pr",
            platform="github",
            repo="acme/shop",
            number=12,
            title="WIP: coupons",
            author="ada",
            url="https://github.com/acme/shop/pull/12",
        ),
    ),
}
"""Name -> result: one golden file each in every format."""
