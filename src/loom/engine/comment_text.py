"""The body of one inline comment: what was found, in the words of its first reporter, and where else to look.

Everything untrusted in it goes through `infra.text.to_comment` here, once. The platform adds a suggestion that can be
committed and the marker.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.core.finding import Finding, Severity
from loom.infra.text import code_fence, one_line, to_comment

_ICON = {Severity.BLOCKER: "🛑", Severity.WARNING: "⚠️", Severity.INFO: "💡"}  # no image: foreign hosts see readers
_MOST_LINES = 40
"""Lines of a suggestion that is only shown."""
_LEAST = 1_000
"""`to_comment` cuts no shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the forge reads comments."""

    link_hosts: frozenset[str] = frozenset()
    """Hosts that links in untrusted text may go to, lower case: the forge's own, and a team's."""
    gitlab: bool = False
    """Whether GitLab's references have to be broken too."""

    def clean(self, text: str, limit: int = 60_000) -> str:
        """Untrusted text as Markdown that does nothing to its readers."""
        return to_comment(text, link_hosts=self.link_hosts, gitlab=self.gitlab, limit=max(limit, _LEAST))

    def line(self, text: str, limit: int = 300) -> str:
        """The same on one line."""
        return self.clean(one_line(text, limit)).replace("\n", " ")


def body(
    finding: Finding,
    manners: Manners,
    *,
    limit: int,
    span: bool = False,
    shown: bool = False,
    replaced: Sequence[str] | None = None,
) -> str:
    """The comment. `limit`: characters it may have. `span`: name its lines, since it stands at the last of them only.
    `shown`: show its suggestion as text, since it cannot be committed here; `replaced`: the lines it would replace,
    None when they are not known."""
    head = f"{_ICON[finding.severity]} **{finding.severity.value}:** {manners.line(finding.title or finding.message)}"
    suggestion = "\n\n".join(_suggestion(finding, replaced)) if shown and finding.suggestion else ""
    foot = f"*{' · '.join(_foot(finding, manners))}*"
    spent = len(head) + len(foot) + 200
    if len(suggestion) > max(0, limit - spent) // 2:
        suggestion = "**Suggested:** see the result file; it is too long for a comment."
    message = finding.message.strip()
    if message == finding.title.strip():
        message = ""
    where = f"Lines {finding.line}–{finding.end_line}." if span and finding.line else ""
    blocks = [head, where, manners.clean(message, limit - spent - len(suggestion)) if message else "", suggestion, foot]
    return "\n\n".join(block for block in blocks if block)


def _suggestion(finding: Finding, replaced: Sequence[str] | None) -> Iterator[str]:
    suggestion = finding.suggestion
    assert suggestion is not None
    lines = "–".join(str(n) for n in sorted({suggestion.line, suggestion.end_line}))
    proof = "" if suggestion.committable else " (not proved to apply, read it first)"
    new = suggestion.text.split("\n") if suggestion.text else []
    if replaced is not None:
        shown = list(_as_diff(replaced, new))
        yield f"**Suggested for line {lines}**{proof}:"
        yield code_fence("\n".join(_cut(shown)), "diff")
    elif new:
        yield f"**Suggested for line {lines}**{proof}:"
        yield code_fence("\n".join(_cut(new)))
    else:
        yield f"**Suggested:** delete line {lines}{proof}."


def _as_diff(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Both versions as the rows of a diff, what is equal in both as context."""
    if len(old) + len(new) > 200:  # comparing takes square time
        yield from (*(f"-{line}" for line in old), *(f"+{line}" for line in new))
        return
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from (f" {line}" for line in old[a:b])
        else:
            yield from (*(f"-{line}" for line in old[a:b]), *(f"+{line}" for line in new[c:d]))


def _cut(lines: list[str]) -> list[str]:
    return [*lines[:_MOST_LINES], "…"] if len(lines) > _MOST_LINES else lines


def _foot(finding: Finding, manners: Manners) -> Iterator[str]:
    """Who says so, by which rule, how sure, and the name to ignore it by. Recognised again by `engine.recall`: it
    begins with `*` and holds the fingerprint as code."""
    yield finding.category
    yield "found by " + ", ".join(manners.line(source, 60) for source in (finding.sources or (finding.pipeline,))[:4])
    if finding.rule:
        rule = one_line(finding.rule, 120).replace("`", "'")
        linked = manners.clean(f"[{rule}]({finding.rule_url})") if finding.rule_url else ""
        yield linked if linked.endswith(")") and "\\" not in linked and "`" not in linked else f"`{rule}`"
    for other in finding.also[:3]:
        yield f"also `{one_line(other.rule, 120).replace('`', chr(39))}`"
    if finding.confidence is not None and not finding.deterministic:
        yield f"{round(finding.confidence * 100)} % sure"
    yield f"`{one_line(finding.fingerprint, 40).replace('`', chr(39))}`"
