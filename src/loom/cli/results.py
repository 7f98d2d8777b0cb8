"""Results that were kept: the last local one of this repository, or a file; and findings in them by fingerprint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loom.cli.host import Host
    from loom.core.finding import Finding
    from loom.core.result import ReviewResult

SHORTEST = 4
"""Characters of a fingerprint that are enough where they fit one finding only."""


def kept_result(named: str | None, host: Host) -> ReviewResult:
    """The result in the file `named` (`-`: standard input); without one the last local result of this repository.
    Raises UsageError where there is none, LoomError where it cannot be read."""
    from loom.cli import wiring
    from loom.core.errors import UsageError
    from loom.store.record import loads

    if named == "-":
        return loads(sys.stdin.buffer.read())
    if named is not None:
        try:
            return loads((host.cwd / named).read_bytes())
        except OSError as error:
            hint = "name a file that `loom review --output json:FILE` wrote"
            raise UsageError(f"cannot read {named}: {error.strerror}", hint=hint) from error
    with wiring.open_checkout(host) as checkout:
        data = wiring.repo_state(host, checkout).last()
    if data is None:
        raise UsageError("there is no last result for this repository", hint="run `loom review` first")
    return loads(data)


def find(findings: Sequence[Finding], given: str) -> Finding:
    """The finding whose fingerprint is `given` or alone begins with it. Raises UsageError."""
    from loom.core.errors import UsageError, did_you_mean

    wanted = given.strip().lower()
    found = [f for f in findings if f.fingerprint.startswith(wanted)] if len(wanted) >= SHORTEST else []
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f.fingerprint for f in found[:5])
        raise UsageError(f'"{given}" fits {len(found)} findings: {listed}', hint="give more of the fingerprint")
    near = did_you_mean(wanted, [f.fingerprint for f in findings])
    hint = "`loom review --last` shows the fingerprints" if findings else "the last review found nothing"
    raise UsageError(f'no finding of the last review has the fingerprint "{given}".{near}', hint=hint)
