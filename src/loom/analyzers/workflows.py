"""builtin/hygiene on workflows of GitHub Actions: what a change lets them do that they could not do before.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#permissions
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange
from loom.core.errors import ConfigError
from loom.core.finding import RawFinding, Severity
from loom.infra import yaml

_WORKFLOW = re.compile(r"(?:^|/)\.(?:github|gitea|forgejo)/workflows/[^/]+\.ya?ml$")
_RANKS = {"none": 0, "read": 1, "write": 2}
_ALL = "*"

Grants = Mapping[str, int]
"""Scope -> rank. `*` stands for all scopes that are not named."""


def about_workflows(change: ChangeSet, files: Files) -> Iterator[RawFinding]:
    """Findings in the order of the change. Nothing for a file that is no plain YAML."""
    for file in change.files:
        if not _WORKFLOW.search(file.path) or file.status == "deleted":
            continue
        head = _read(file.path, files.head(file.path))
        base = _read(file.path, files.base(file.base_path)) if file.status != "added" else None
        if head is None or (base is None and file.status != "added"):
            continue
        yield from _widened(file, base, head)


@dataclass(frozen=True, slots=True)
class _Workflow:
    document: yaml.Document
    triggers: frozenset[str]
    grants: Grants | None
    """None: whatever the repository's settings give."""
    jobs: Mapping[str, Grants | None]
    """None: those of the workflow."""

    def effective(self, job: str) -> Grants | None:
        """What a job may do; for a job that is not there, what the workflow says."""
        own = self.jobs.get(job)
        return self.grants if own is None else own


def _read(path: str, data: bytes | None) -> _Workflow | None:
    if data is None:
        return None
    try:
        document = yaml.load(data, file=path)
    except ConfigError:
        return None
    value = document.value
    if not isinstance(value, dict):
        return None
    on, jobs = value.get("on"), value.get("jobs")
    names = [on] if isinstance(on, str) else on if isinstance(on, list | dict) else []
    by_job = {
        name: _grants(job.get("permissions")) if isinstance(job, dict) and "permissions" in job else None
        for name, job in (jobs.items() if isinstance(jobs, dict) else ())
    }
    grants = _grants(value["permissions"]) if "permissions" in value else None
    return _Workflow(document, frozenset(name for name in names if isinstance(name, str)), grants, by_job)


def _grants(value: yaml.Value) -> Grants:
    """`read-all`, `write-all`, `{}`, or a mapping; scopes that a mapping does not name have none."""
    if value == "write-all":
        return {_ALL: 2}
    if value == "read-all":
        return {_ALL: 1}
    if isinstance(value, dict):
        return {_ALL: 0} | {name: _RANKS.get(str(rank), 0) for name, rank in value.items()}
    return {_ALL: 0}


def _widened(file: FileChange, base: _Workflow | None, head: _Workflow) -> Iterator[RawFinding]:
    if "pull_request_target" in head.triggers and (base is None or "pull_request_target" not in base.triggers):
        yield _finding(
            file,
            _line(head, ("on", "pull_request_target"), ("on",)),
            "workflow-trigger",
            "Workflow runs with secrets on pull requests of strangers",
            "`pull_request_target` runs with the repository's secrets and a token that may write, also for pull "
            "requests from forks. Code of the pull request must never be checked out, built or interpolated in it. "
            "Use `pull_request` unless you only label or comment.",
        )
    if base is not None and base.grants is not None and head.grants is None and _relies(head):
        yield _finding(
            file,
            None,
            "workflow-permissions",
            "Workflow no longer limits its permissions",
            "The `permissions` of the whole workflow are gone: jobs that name none get what the repository's settings "
            "give, which may be writing everything. Say what the workflow needs, at least `permissions: {}`.",
        )
    told: set[int | None] = set()
    for where, grants, before in _compared(base, head):
        scopes = sorted(scope for scope, rank in grants.items() if rank == 2 and not _had(scope, before, base))
        for scope in scopes:
            keys: yaml.Path = (*where, "permissions") if scope == _ALL else (*where, "permissions", scope)
            line = _line(head, keys)
            if line in told:
                continue
            told.add(line)
            yield _finding(file, line, "workflow-permissions", *_may_write(scope, where))


def _may_write(scope: str, where: yaml.Path) -> tuple[str, str]:
    """(title, message)"""
    title = "Workflow may now write everything" if scope == _ALL else f"Workflow may now write {scope}"
    what = "everything" if scope == _ALL else f"`{scope}`"
    who = f"the job {where[1]}" if where else "the workflow"
    return title, (
        f"The token of {who} could not write {what} before. Whoever gets code into one of its steps, by an action or a "
        "dependency too, can do so as well. Make sure that it is needed, and give it to the one job that needs it."
    )


def _relies(workflow: _Workflow) -> bool:
    """Whether any job takes its permissions from the workflow."""
    return any(grants is None for grants in workflow.jobs.values())


def _compared(base: _Workflow | None, head: _Workflow) -> Iterator[tuple[yaml.Path, Grants, Grants | None]]:
    """(where, grants now, grants before) of the workflow and each job that has its own. A new workflow is only asked
    for `write-all`: everything in it is new."""
    if base is None:
        for where, grants in ((), head.grants), *((("jobs", name), own) for name, own in head.jobs.items()):
            if grants and grants.get(_ALL) == 2:
                yield where, {_ALL: 2}, {_ALL: 0}
        return
    if head.grants is not None:
        yield (), head.grants, base.grants
    for name, own in head.jobs.items():
        if own is not None:
            yield ("jobs", name), own, base.effective(name)


def _had(scope: str, before: Grants | None, base: _Workflow | None) -> bool:
    """Whether a scope could be written already: by these grants, or by a job (it may have a new name). Where nothing
    was said before, naming scopes takes rights away rather than giving any; all of them are a grant all the same."""
    if before is None and scope != _ALL:
        return True
    if before is not None and before.get(scope, before.get(_ALL, 0)) == 2:
        return True
    every = [*(base.jobs.values() if base else ()), base.grants if base else None]
    return any(grants is not None and grants.get(scope, grants.get(_ALL, 0)) == 2 for grants in every)


def _line(workflow: _Workflow, *keys: yaml.Path) -> int | None:
    known = workflow.document.key_places
    return next((known[key][0] for key in keys if key in known), None)


def _finding(file: FileChange, line: int | None, rule: str, title: str, message: str) -> RawFinding:
    return RawFinding(
        path=file.path,
        line=line,
        severity=Severity.WARNING,
        category="security",
        rule=f"hygiene/{rule}",
        title=title,
        message=message,
    )
