"""The colours and signs of the rich terminal form. Colours are the sixteen that every theme defines."""

from __future__ import annotations

from dataclasses import dataclass

from loom.core.finding import Severity

SEVERITY_STYLE = {Severity.BLOCKER: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
TONE_STYLE = {
    "clean": "bold green", "findings": "bold yellow", "blocked": "bold red", "incomplete": "bold magenta",
    "nothing": "bold magenta",
}  # fmt: skip
STATUS_STYLE = {"ok": "green", "partial": "magenta", "failed": "bold red", "skipped": "dim"}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs beside the words; none of them says anything that the words do not."""

    severity: dict[Severity, str]
    tone: dict[str, str]
    dot: str
    rule: str
    bar: str
    point: str
    more: str
    dash: str


UNICODE = Glyphs(
    severity={Severity.BLOCKER: "✖", Severity.WARNING: "▲", Severity.INFO: "●"},
    tone={"clean": "✔", "findings": "▲", "blocked": "✖", "incomplete": "◐", "nothing": "○"},
    dot="·", rule="─", bar="│", point="❯", more="⋯", dash="–",
)  # fmt: skip
ASCII = Glyphs(
    severity={Severity.BLOCKER: "x", Severity.WARNING: "!", Severity.INFO: "i"},
    tone={"clean": "ok", "findings": "!", "blocked": "x", "incomplete": "??", "nothing": "--"},
    dot="-", rule="-", bar="|", point=">", more="...", dash="-",
)  # fmt: skip
