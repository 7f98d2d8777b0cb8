"""The summary comment on a pull request: the verdict first, then what a reviewer needs, folded where it is long.

Sections are made whole and then fitted: what is cut is counted, the verdict and the loud part never are. A team's
template puts the same sections in its own order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from loom.core.errors import ConfigError, Problem, did_you_mean
from loom.core.result import Placement
from loom.core.told import SummaryText, Told
from loom.outputs.comment_page import SECTIONS, GroupBy, Page

_ALWAYS = frozenset(("verdict", "counts"))
"""Never left out for size."""
_SLOT = re.compile(r"(\\?)\{\{([^{}\n]{0,200})\}\}")


def render(told: Told, room: int, *, template: str | None = None, group_by: GroupBy = "severity") -> SummaryText:
    """The comment within `room` characters (at least 2,000), and a digest of all it would say given room enough,
    without time and cost. `template` comes from a trusted place and has passed `check_template`."""
    page = Page(told, {p.fingerprint: p for p in told.result.placements}, group_by)
    plain = Page(told, {fp: _plain(place) for fp, place in page.places.items()}, group_by)
    stable = {name: plain.section(name) for name in SECTIONS if name != "figures"}
    says = _filled(template, stable | {"figures": ""}) if template else "\0".join(stable.values())
    body = _by_template(page, template, room) if template else _built_in(page, room)
    return SummaryText(body, hashlib.sha256(says.encode("utf-8", "backslashreplace")).hexdigest()[:16])


def _plain(place: Placement) -> Placement:
    """A placement as a later run at the same head sees it: one that was posted is there, whatever way it took."""
    only_here = place.where in ("summary", "annotation", "log", "failed")
    return Placement(place.fingerprint, "summary" if only_here else "deduped")


def check_template(template: str, where: str) -> None:
    """Raises ConfigError with every name in a `summary_template` that is none of `SECTIONS`."""
    problems = []
    for slot in _SLOT.finditer(template):
        name = slot[2].strip()
        if not slot[1] and name not in SECTIONS:
            line = template[: slot.start()].count("\n") + 1
            column = slot.start() - (template.rfind("\n", 0, slot.start()) + 1) + 1
            near = did_you_mean(name, SECTIONS)
            text = f'unknown name "{name}".{near} Names: {", ".join(SECTIONS)}'
            problems.append(Problem(where, line, column, "", text))
    if problems:
        raise ConfigError(problems, hint="write \\{{ to keep two braces as they are", slug="summary-template")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each name replaced once: braces inside a value stay text."""
    return _SLOT.sub(lambda slot: slot[0][1:] if slot[1] else values.get(slot[2].strip(), ""), template)


def _built_in(page: Page, room: int) -> str:
    """The sections in their order; a long one gets what the ones before it leave."""
    kept: list[str] = []
    lost: list[str] = []
    left = room - 200
    for name in SECTIONS:
        share = left if name in _ALWAYS else min(left, max(left * 2 // 3, 600))
        text = page.section(name, max(share, 0))
        if not text:
            continue
        if len(text) + 2 > left:
            lost.append(name)
            continue
        kept.append(text)
        left -= len(text) + 2
    if lost:
        kept.append(f"*Left out here for size, and kept in the result file: {', '.join(lost)}.*")
    return _cut("\n\n".join(kept), room)


def _by_template(page: Page, template: str, room: int) -> str:
    """The team's text, with sections shortened until it fits."""
    for share in (room, room // 2, room // 4, room // 8, 600):
        text = _filled(template, {name: page.section(name, share) for name in SECTIONS})
        if len(text) <= room:
            return text.rstrip()
    return _cut(text, room)


def _cut(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    notice = "\n\n*(cut: too long for a comment)*"
    text = text[: room - len(notice) - 20].rpartition("\n")[0]
    if len(re.findall(r"^`{3,}", text, re.MULTILINE)) % 2:
        text += "\n```"
    return text + notice
