"""The format `html`: the review as one page that needs nothing from outside, with the findings beside their lines.

How text becomes HTML, in one place: every value that the template prints leaves through `_exit`, which sends plain
text through `infra.text.to_html` once; the filters below return markup that was made of text the same way, and
autoescape stays on behind them. The page's policy allows its own style and script by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from loom.core.result import ReviewResult
from loom.infra.text import one_line, to_html
from loom.outputs import summary
from loom.outputs.base import Look
from loom.outputs.report import figures
from loom.outputs.report.lines import bare_lines, code_lines
from loom.outputs.report.prose import link, prose, title
from loom.outputs.report.view import page

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).with_name("report")
_SIGNS = {"clean": "✔", "findings": "▲", "blocked": "✖", "incomplete": "◐", "nothing": "○"}


def render(result: ReviewResult, look: Look) -> str:
    """The page. Nothing depends on `look`."""
    from markupsafe import Markup

    style, script = _part("page.css"), _part("page.js")
    template = _environment().get_template("page.html")
    return template.render(
        **_facts(result),
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - ours, and part of the package
        script=Markup(script),  # noqa: S704 - as above
    )


def _part(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: https://www.w3.org/TR/CSP3/#grammardef-hash-source. No image, font, frame,
    connection, form or foreign base."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _facts(result: ReviewResult) -> Mapping[str, object]:
    """What the template sees, besides style and script."""
    shown = page(result)
    verdict = summary.verdict(result)
    changed = [file for file in result.files if file.added + file.deleted and not file.binary]
    return {
        "result": result,
        "page": shown,
        "verdict": verdict,
        "sign": _SIGNS[verdict.tone],
        "about": one_line(summary.about(result), 200),
        "change_url": result.change.url,
        "counts": summary.counts(result),
        "some_open": any(f.state == "open" for f in result.findings),
        "added": sum(file.added for file in result.files),
        "deleted": sum(file.deleted for file in result.files),
        "without_lines": bool(changed) and not any(file.hunks for file in result.files),
        "total": summary.duration(took) if (took := result.timings_ms.get("total", 0)) else "",
        "cost": summary.money(result.usage.cost_usd).removeprefix("cost "),
        "gaps": summary.gaps(result),
        "told": [p for p in result.pipelines if p.summary.strip()],
        "bars": figures.bars(result),
        "scale": figures.SCALE,
        "rows": figures.rows(result),
        "asked": any(p.kind == "llm" for p in result.pipelines),
        "spent": summary.spent(result),
        "notices": [*(("error", n) for n in result.errors), *(("note", n) for n in result.warnings)],
        "masked": summary.masked(result),
        "dropped": summary.dropped(result),
        "losses": figures.losses(result.dropped),
        "placements": {p.fingerprint: p.where for p in result.placements},
        "plural": summary.plural,
        "place": summary.place,
        "lines_of": summary.lines,
    }


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_exit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        bare=lambda lines: _markup(bare_lines(lines)),
        code=lambda lines, digits: _markup(code_lines(lines, digits)),
        number=lambda n: f"{n:,}",
        percent=lambda share: f"{share:.0%}",
        linked=lambda label, url: _markup(link(url, one_line(label, 200))),
        prose=lambda text: _markup(prose(text)),
        short=one_line,
        spans=lambda text: _markup(title(one_line(text, 600))),
    )
    return environment


def _exit(value: object) -> Markup:
    """The one exit of plain text into the page; markup of ours passes."""
    from markupsafe import Markup

    return value if isinstance(value, Markup) else _markup(to_html(str(value)))


def _markup(html: str) -> Markup:
    from markupsafe import Markup

    return Markup(html)  # noqa: S704 - made of text that went through to_html
