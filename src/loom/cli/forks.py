"""A stranger's change and the job's secrets: what must never meet, and what a job without secrets leaves out.

A fork's code is refused beside secrets; programs do not run on it there; models that have no key in a fork's job are
left to the second stage (docs/security-model.md, docs/ci.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loom.cli.wiring import secret_names
from loom.core.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loom.infra.git import Git
    from loom.platforms.ci_context import CiContext
    from loom.platforms.values import PullRequest

_REFUSED_EVENTS = frozenset({"pr_target", "workflow_run", "comment"})
"""Events that run with the target repository's rights although a stranger can cause them, and whose job checks out the
target by itself: who finds the fork there has put it there."""
_ALLOW = "LOOM_ALLOW_UNTRUSTED_CHECKOUT"

NO_SECRETS = "no secrets: a fork's job is given none; a second, trusted stage can ask the model (docs/ci.md)"


@dataclass(frozen=True, slots=True)
class Stranger:
    """What follows for a change that comes from a fork."""

    programs: str | None = None
    """Why no programs run that the checkout could steer; None: they may."""
    no_secrets: bool = False
    """Whether a missing key is what a fork's job has to live with."""


def refuse_checkout(job: CiContext | None, git: Git | None, environ: Mapping[str, str], *, heads: set[str]) -> None:
    """Refuse to go on where a fork's head, one of `heads`, is checked out beside secrets. Raises TrustError."""
    if job is None or job.event not in _REFUSED_EVENTS or git is None or environ.get(_ALLOW) == "1":
        return
    head = git.head()
    if head is None or not heads & {head, *git.parents(head)}:
        return
    found = secret_names(environ)
    if not found:
        return
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    raise TrustError(
        f"the head of a fork ({head[:12]}) is checked out in a job that has secrets ({', '.join(found[:3])}{more})",
        hint="check out nothing, or the target branch: Loom reads a pull request without a checkout (docs/ci.md)",
        slug="fork-beside-secrets",
    )


def stranger(job: CiContext | None, pr: PullRequest, environ: Mapping[str, str]) -> Stranger:
    """What follows from where the change comes from, and what the job holds."""
    if job is None:
        return Stranger()  # a person's own machine: nothing of the repository's is accepted there anyway
    if not pr.fork:
        return Stranger()
    secrets = [name for name in secret_names(environ) if not job.is_harmless(name)]
    if job.privileged:
        return Stranger("the change comes from a fork, and this job has the repository's rights")
    if secrets:
        return Stranger(f"the change comes from a fork, and this job has secrets ({', '.join(secrets[:3])})")
    return Stranger(no_secrets=True)
