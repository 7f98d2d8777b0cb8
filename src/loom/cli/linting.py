"""The linters of one review: which of the catalogue `linter/auto` stands for here, which may run, and where their
programs are (docs/linters.md)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from loom.config.schema import AUTO, Pipeline
from loom.config.trust import steered, touched_linter
from loom.core.errors import ScriptError, did_you_mean
from loom.core.finding import Severity
from loom.core.result import Notice
from loom.engine.plan import SkippedPipeline, wants

if TYPE_CHECKING:
    from loom.analyzers.linter_choice import Places
    from loom.analyzers.linter_file import Linter
    from loom.analyzers.linters import LinterRun
    from loom.cli.host import Host
    from loom.cli.opening import Opened
    from loom.cli.wiring import Checkout
    from loom.core.change import ChangeSet, Files
    from loom.core.diff import FileChange
    from loom.infra.globs import Globs

_NOT_CONFIGURED = "the repository does not configure it"
_NO_FILE = "no changed file is for it"
_LAUNCHERS = ("cargo", "go")
"""Programs that start a component of a toolchain, which need not be there with them."""
_VERSION_S = 10
_STALE = "the checkout holds other versions of the files under review"


@dataclass(frozen=True, slots=True)
class _Planned:
    """One linter of this review."""

    row: Linter
    folders: Mapping[str, str | None]
    """Where it runs -> the file there that configures it."""
    files: Globs
    only: frozenset[str] | None = None
    """Of these files only those: no folder above the others configures it, or the checkout holds another version of
    them, where that is no failure. None: all."""
    notices: tuple[Notice, ...] = ()


class Linting:
    """Asked by the engine: `expand` first, for every pipeline, then the rest."""

    def __init__(self, host: Host, checkout: Checkout, opened: Opened, *, script_env: Mapping[str, str]) -> None:
        self._host, self._checkout, self._opened, self._script_env = host, checkout, opened, script_env
        self._planned: dict[str, _Planned] = {}
        self._refused: dict[str, SkippedPipeline] = {}
        self._started: dict[str, bool] = {}

    # -- for the engine -----------------------------------------------------------------------------------------------

    def expand(
        self, pipeline: Pipeline, change: ChangeSet, files: Files, asked: frozenset[str]
    ) -> tuple[Pipeline, ...]:
        """The linters that `linter/auto` stands for, each a pipeline of its own; any other pipeline is itself. Those
        in `asked` are among them whatever the repository configures, to be refused with the reason."""
        if pipeline.kind != "linter":
            return (pipeline,)
        if pipeline.uses == AUTO:
            return self._members(pipeline, change, files, asked)
        self._prepare_named(pipeline, change)
        return (pipeline,)

    def looks_at(self, pipeline: Pipeline, path: str) -> bool:
        """Whether the linter is for this file."""
        planned = self._planned.get(pipeline.name)
        if planned is None:
            return True
        return planned.files.match(path) and (planned.only is None or path in planned.only)

    def refuse(self, pipeline: Pipeline) -> SkippedPipeline | None:
        """Why the linter does not run."""
        return self._refused.get(pipeline.name)

    def analyzer(self, pipeline: Pipeline) -> LinterRun:
        """The linter, ready to run."""
        from loom.analyzers.linters import LinterRun, Place, Settings, Where

        planned = self._planned[pipeline.name]
        where = Where(
            root=self._checkout.root,
            environ=self._host.environ,
            folders={f: Place(config, self._local(planned.row, f)) for f, config in planned.folders.items()},
            trusted_checkout=self._opened.programs.may_be_brought_along,
        )
        settings = Settings(
            name=pipeline.name,
            timeout_s=pipeline.timeout,
            env={**(self._script_env if self._opened.accepted else {}), **pipeline.env},
            severity_map={level: Severity(ours) for level, ours in pipeline.severity_map.items()},
        )
        return LinterRun(planned.row, where, settings, planned.notices)

    # -- what `linter/auto` stands for --------------------------------------------------------------------------------

    def _members(self, auto: Pipeline, change: ChangeSet, files: Files, asked: frozenset[str]) -> tuple[Pipeline, ...]:
        from loom.analyzers.linter_choice import folders_above
        from loom.analyzers.linter_file import catalogue
        from loom.analyzers.linters import nearest
        from loom.infra.globs import Globs

        there = [f for f in change.files if f.status != "deleted" and wants(auto, f.path)]
        folders = folders_above(f.path for f in there) if self._checkout.git and self._checkout.has_files else ()
        members = []
        for row in catalogue().values():
            name = self._name(auto, row)
            if name is None:
                continue
            configured = self._places.configured(row, folders)
            if not configured and name not in asked:
                continue
            member = auto.model_copy(update={"name": name, "uses": f"linter/{row.name}"})
            below = [f for f in there if nearest(f.path, configured)]
            mine = [f for f in below if Globs(row.files).match(f.path)]
            if mine:
                self._prepare(member, row, configured, change)
                self._prepare_auto(member, mine, change, files)
            elif name in asked:
                self._refused[name] = SkippedPipeline(member, _NO_FILE if configured else _NOT_CONFIGURED)
            else:
                continue
            members.append(member)
        if not members and (auto.name in asked or self._is_configured(auto)):
            self._refused[auto.name] = SkippedPipeline(
                auto, "the repository configures no linter for the changed files"
            )
            return (auto,)
        return tuple(members)

    def _name(self, auto: Pipeline, row: Linter) -> str | None:
        """What the linter is called; None where a pipeline of its own says whether it runs."""
        configured = self._opened.loaded.config.pipelines
        if any(p.uses == f"linter/{row.name}" for p in configured):
            return None
        first = next((p.name for p in configured if p.uses == AUTO), auto.name)
        return f"linter/{row.name}" if auto.name == first else f"{auto.name}/{row.name}"

    def _is_configured(self, auto: Pipeline) -> bool:
        """Whether somebody wrote it down: it runs also where nobody did, and then has nothing to explain."""
        return any(p.name == auto.name for p in self._opened.loaded.config.pipelines)

    def _prepare_auto(self, member: Pipeline, mine: Sequence[FileChange], change: ChangeSet, files: Files) -> None:
        """What is no failure of a linter that nobody named: another version in the checkout, no program."""
        from loom.analyzers.script import is_current

        if member.name in self._refused:
            return
        planned = self._planned[member.name]
        current = [f.path for f in mine if is_current(self._checkout.root, change.ref, f, files)]
        self._planned[member.name] = replace(planned, only=frozenset(current))
        if not current:
            self._refused[member.name] = SkippedPipeline(member, _STALE, "check out the change before the review")
        elif (absent := self._absent(planned)) is not None:
            self._refused[member.name] = SkippedPipeline(member, *absent)
        elif stale := len(mine) - len(current):
            told = Notice("linter-stale", f"{_STALE}: {stale} of {len(mine)}", pipeline=member.name)
            self._planned[member.name] = replace(planned, only=frozenset(current), notices=(*planned.notices, told))

    # -- trust --------------------------------------------------------------------------------------------------------

    def _prepare_named(self, pipeline: Pipeline, change: ChangeSet) -> None:
        """A linter that the configuration names: it runs in the folders that configure it, else at the top."""
        from loom.analyzers.linter_choice import folders_above
        from loom.analyzers.linter_file import catalogue

        name = (pipeline.uses or "").partition("/")[2]
        row = catalogue().get(name)
        if row is None:
            near = did_you_mean(name, catalogue())
            reason = f'no linter of the catalogue is called "{name}".{near}'
            hint = "`loom linters list` shows them all; any other runs as a script: run: …"
            self._refused[pipeline.name] = SkippedPipeline(pipeline, reason, hint, failed=True)
            return
        changed = [f.path for f in change.files if f.status != "deleted" and wants(pipeline, f.path)]
        configured = self._places.configured(row, folders_above(changed)) if self._checkout.has_files else {}
        self._prepare(pipeline, row, configured or {".": None}, change)
        planned = self._planned[pipeline.name]
        mine = tuple(path for path in changed if planned.files.match(path))
        if pipeline.name in self._refused or not mine:
            return
        if (absent := self._absent(planned)) is not None:
            self._refused[pipeline.name] = SkippedPipeline(pipeline, *absent, failed=True, paths=mine)

    def _prepare(self, pipeline: Pipeline, row: Linter, folders: Mapping[str, str | None], change: ChangeSet) -> None:
        from loom.infra.globs import Globs

        told = steered(change, row.config) if self._host.in_ci else None
        notices = (Notice("linter-steered", told, pipeline=pipeline.name),) if told else ()
        self._planned[pipeline.name] = _Planned(row, folders, Globs(row.files), notices=notices)
        if refusal := self._distrust(pipeline, row, change):
            self._refused[pipeline.name] = refusal

    def _distrust(self, pipeline: Pipeline, row: Linter, change: ChangeSet) -> SkippedPipeline | None:
        """Why trust keeps the linter from running over this change."""
        opened = self._opened
        if pipeline.env and not opened.accepted:
            why = "it sets variables for a program, and this checkout was not accepted"
            return SkippedPipeline(pipeline, why, opened.how)
        if not row.runs_code:
            return None
        programs = opened.programs
        touched = touched_linter(change, code_of(row)) if programs.of_target or programs.missed else None
        if touched is not None:
            hint = "look at that part by hand; it runs again after the merge" if programs.of_target else opened.how
            return SkippedPipeline(pipeline, touched, hint, failed=True)
        if programs.may_load_code:
            return None
        why = "its configuration can run code, and this checkout was not accepted"
        said = any(refused.reason == why for refused in self._refused.values())
        return SkippedPipeline(pipeline, why, "" if said else opened.how)

    # -- programs -----------------------------------------------------------------------------------------------------

    def _absent(self, planned: _Planned) -> tuple[str, str] | None:
        """That the linter's program is not there, and what to do; None when it is."""
        from loom.infra import process

        row, programs = planned.row, self._opened.programs
        if all(self._local(row, folder) for folder in planned.folders):
            return None
        outside = None if programs.may_be_brought_along else self._checkout.root
        path = self._host.environ.get("PATH", "")
        try:
            program = process.resolve(row.program, path=path, outside=outside)
        except ScriptError:
            inside = any(self._installed(row, folder) for folder in planned.folders) or _is_on(path, row.program)
            if not inside or programs.may_be_brought_along:
                return "not installed", row.install
            return "installed only inside the checkout, which was not accepted", self._way_in()
        return None if self._starts(row, program) else ("not installed", row.install)

    def _way_in(self) -> str:
        """What to do about a program that stands in the checkout."""
        if self._host.in_ci:
            return "install it outside of it"
        if self._opened.programs.verdict == "nothing":  # `loom trust` would say so too
            return "install it outside of it; or write a .loom/config.yaml, which can be accepted (`loom trust`)"
        return f"install it outside of it, or {self._opened.how}"

    def _starts(self, row: Linter, program: str) -> bool:
        """Whether a launcher finds what it is to start: `cargo` may be there without clippy, or without any toolchain.
        Any other program is what it is called. Asked where the linter may run; one that hangs will be told later."""
        from loom.infra import process

        if row.program not in _LAUNCHERS:
            return True
        if row.name not in self._started:
            env = process.child_env(self._host.environ, extra=row.env)
            argv = [program, *row.version[1:]]
            try:
                done = process.run(argv, cwd=self._checkout.root, env=env, timeout_s=_VERSION_S)
            except ScriptError:
                return False
            self._started[row.name] = done.timed_out or done.returncode == 0
        return self._started[row.name]

    def _local(self, row: Linter, folder: str) -> str | None:
        """The linter as it is installed in the checkout, where such a program may run."""
        if not row.local or not self._opened.programs.may_be_brought_along:
            return None
        return next((str(p) for p in self._installed(row, folder) if not self._came_along(p)), None)

    def _installed(self, row: Linter, folder: str) -> list[Path]:
        root = self._checkout.root
        places = (root / above / local for above in dict.fromkeys((folder, ".")) for local in row.local)
        return [place for place in places if place.is_file() and os.access(place, os.X_OK)]

    def _came_along(self, program: Path) -> bool:
        """Whether the program is a part of the repository, not something that was installed here: what it holds was
        not accepted."""
        root = self._checkout.root
        places = {program, Path(os.path.realpath(program))}
        inside = (place for place in places if place.is_relative_to(root))
        return any(place.relative_to(root).as_posix() in self._in_repository for place in inside)

    @cached_property
    def _in_repository(self) -> frozenset[str]:
        git = self._checkout.git
        return frozenset(git.worktree_paths()) if git is not None else frozenset()

    @cached_property
    def _places(self) -> Places:
        from loom.analyzers.linter_choice import Places

        return Places(self._opened.names, self._read)

    def _read(self, path: str) -> bytes | None:
        """Of the trusted place. What cannot be read there configures nothing."""
        if self._opened.programs.of_target:
            return self._opened.read(path)
        return self._checkout.read(path)


def is_harmless(pipeline: Pipeline) -> bool:
    """Whether a linter pipeline runs no code of the checkout, whatever the checkout holds; `linter/auto` decides that
    for each of its members."""
    from loom.analyzers.linter_file import catalogue

    if pipeline.kind != "linter" or pipeline.env:
        return False
    row = catalogue().get((pipeline.uses or "").partition("/")[2])
    return row is None or not row.runs_code


def code_of(row: Linter) -> Iterable[str]:
    """By which files of the checkout the linter runs code: its configuration, and what is installed beside it."""
    above = (place.rpartition("/")[0].rpartition("/")[0] for place in row.local)  # node_modules/.bin/eslint
    return (*row.runs_code, *(f"{folder}/" for folder in dict.fromkeys(above) if folder))


def _is_on(path: str, program: str) -> bool:
    from loom.infra import process

    try:
        process.resolve(program, path=path, outside=None)
    except ScriptError:
        return False
    return True
