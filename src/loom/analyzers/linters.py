"""A linter of the catalogue as an analyzer: its files, its row's command run by `Script`, its findings with the row's
severities, categories and links. Whether it may run, and where its program is, cli.linting decides."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loom.analyzers import command
from loom.analyzers.base import Report
from loom.analyzers.linter_file import Linter
from loom.analyzers.script import Script
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity
from loom.core.result import Notice
from loom.infra.globs import Globs

CONFIG = "{config}"
NOT_FOUND = "not-found"
TIMEOUT = "script-timeout"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that configures a linter, or the checkout's top."""

    config: str | None = None
    """The file that does, as it is called from there."""
    program: str | None = None
    """The executable, absolute; None: it is looked up on PATH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a run of a linter needs to know about this machine and checkout."""

    root: Path
    """The checkout."""
    environ: Mapping[str, str]
    """Loom's own environment; the child sees a few harmless names of it."""
    folders: Mapping[str, Place]
    """Where it runs. Each file goes to the nearest of these above it, the rest to the checkout's top."""
    trusted_checkout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the pipeline says."""

    name: str
    timeout_s: float = 120
    """For all calls together."""
    env: Mapping[str, str] = field(default_factory=dict)
    severity_map: Mapping[str, Severity] = field(default_factory=dict)


class LinterRun:
    """One linter of the catalogue, ready to run over a change. `notices`: what to tell besides its findings."""

    def __init__(self, row: Linter, where: Where, settings: Settings, notices: Sequence[Notice] = ()) -> None:
        self._row, self._where, self._set = row, where, settings
        self._notices = tuple(notices)
        self._files = Globs(row.files)
        places = {".": Place(), **where.folders}
        # Made now, not while running: what was made before an interrupt starts nothing after it.
        self._scripts = {folder: self._script(folder, place) for folder, place in places.items()}

    def run(self, change: ChangeSet, files: Files) -> Report:
        """Run it in every folder that configures it and has changed files. Raises ScriptError when nothing came of any;
        where some came to something, the files of the others are `not_reviewed`."""
        reports: list[Report] = []
        lost: list[str] = []
        failures: list[ScriptError] = []
        for folder, mine in self._by_folder(change.files).items():
            if any(error.slug == TIMEOUT for error in failures):
                lost += [file.path for file in mine]  # the time is for all calls together
                continue
            try:
                reports.append(self._scripts[folder].run(replace(change, files=tuple(mine)), files))
            except ScriptError as error:
                failures.append(self._explained(error))
                lost += [file.path for file in mine]
        if failures and not reports:
            raise failures[0]
        told = [Notice(error.slug, error.message, error.hint, self._set.name) for error in failures]
        return Report(
            tuple(dressed(finding, self._row) for report in reports for finding in report.findings),
            (*(path for report in reports for path in report.not_reviewed), *lost),
            (*self._notices, *(notice for report in reports for notice in report.notices), *told),
            tuple(dict.fromkeys(gap for report in reports for gap in report.gaps)),
        )

    def _by_folder(self, changed: Sequence[FileChange]) -> dict[str, list[FileChange]]:
        """The files it is for, by where it is to run."""
        found: dict[str, list[FileChange]] = {}
        for file in changed:
            if self._files.match(file.path):
                found.setdefault(nearest(file.path, self._scripts) or ".", []).append(file)
        return found

    def _script(self, folder: str, place: Place) -> Script:
        row, where = self._row, self._where
        words = [place.program or row.program, *_configured(row.command[1:], place.config)]
        return Script(
            name=self._set.name,
            run=" ".join(word if word == command.FILES else shlex.quote(word) for word in words),
            parse_output=row.format,
            stream=row.stream,
            finding_codes=row.findings,
            root=where.root,
            environ=where.environ,
            pattern=row.pattern,
            workdir=folder,
            timeout_s=self._set.timeout_s,
            env={**row.env, **self._set.env},
            severity_map={**row.severity, **self._set.severity_map},
            trusted_checkout=where.trusted_checkout,
        )

    def _explained(self, error: ScriptError) -> ScriptError:
        """A program that is not there is not a matter of the command, but of installing it."""
        if error.slug != NOT_FOUND:
            return error
        return ScriptError(f"{self._row.title}: {error.message}", hint=self._row.install, slug=NOT_FOUND)


def _configured(words: Iterable[str], config: str | None) -> list[str]:
    """The arguments with the file that configures the linter; without those about it where there is none."""
    return [word.replace(CONFIG, config or "") for word in words if config or CONFIG not in word]


def dressed(finding: RawFinding, row: Linter) -> RawFinding:
    """The finding with what its row knows and the output left open: severity, category, the rule's documentation."""
    category = row.category if finding.category == "other" else finding.category
    link = finding.rule_url or (row.link(finding.rule) if finding.rule else None)
    return replace(finding, severity=finding.severity or row.severity.get("*"), category=category, rule_url=link)


def nearest(path: str, folders: Iterable[str]) -> str | None:
    """The lowest of the folders that the file is in; None when it is in none."""
    above = (folder for folder in folders if folder == "." or path.startswith(folder + "/"))
    return max(above, key=lambda folder: (folder != ".", len(folder)), default=None)
