"""A configured command (`run:`) as an analyzer: its files, its child process, its output read into findings."""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from loom.analyzers import command, formats
from loom.analyzers.base import Report
from loom.analyzers.formats.base import Parsed, Reading, title_of
from loom.core.change import ChangeRef, ChangeSet, Files
from loom.core.diff import FileChange, decode_text, show_path
from loom.core.errors import ScriptError
from loom.core.finding import Severity
from loom.core.result import Notice
from loom.infra import process

MAX_OUTPUT = 20_000_000
"""Bytes of output that are read; 10,000 SARIF results are about 10 MB."""

_SAFE_ENV = {
    # `python -m tool` puts the working directory first in sys.path: a json.py of the checkout would run.
    "PYTHONSAFEPATH": "1",
    # A bare repository or a monitor program that the checkout brings along must not run when a tool calls git.
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "safe.bareRepository",
    "GIT_CONFIG_VALUE_0": "explicit",
    "GIT_CONFIG_KEY_1": "core.fsmonitor",
    "GIT_CONFIG_VALUE_1": "false",
}
_INTERPRETERS = frozenset(("python", "pypy", "node", "bash", "sh", "dash", "zsh", "ksh", "ruby", "perl", "php", "lua"))
_SHELL_SAYS = {126: "a program in it cannot be executed", 127: "a program in it was not found"}
_LINKS = frozenset(("120000", "160000"))  # git modes: a symbolic link, a submodule


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The settings of one `run:` pipeline (docs/configuration.md)."""

    name: str
    run: str
    parse_output: str
    pattern: str | None = None
    workdir: str = "."
    timeout_s: float = 120
    """For all calls together."""
    env: Mapping[str, str] = field(default_factory=dict)
    shell: bool = False
    severity_map: Mapping[str, Severity] = field(default_factory=dict)
    stream: Literal["stdout", "stderr", "both"] = "stdout"
    finding_codes: tuple[int, ...] | None = None
    """Exit codes that mean findings; None: any, when findings came with it."""


class Script:
    """One `run:` pipeline, or one linter. Exit code 0 is fine; another one is fine when findings came with it and it is
    among `finding_codes`, where these are known. `stream`: where the findings are printed.

    `root` is the checkout, `environ` Loom's own environment, of which the child sees a few harmless names. With
    `trusted_checkout`, programs that the checkout brings along may run; else only those outside of it.
    """

    def __init__(
        self,
        *,
        name: str,
        run: str,
        parse_output: str,
        root: Path,
        environ: Mapping[str, str],
        pattern: str | None = None,
        workdir: str = ".",
        timeout_s: float = 120,
        env: Mapping[str, str] | None = None,
        shell: bool = False,
        severity_map: Mapping[str, Severity] | None = None,
        stream: Literal["stdout", "stderr", "both"] = "stdout",
        finding_codes: tuple[int, ...] | None = None,
        trusted_checkout: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._set = Command(
            name=name, run=run, parse_output=parse_output, pattern=pattern, workdir=workdir, timeout_s=timeout_s,
            env=env or {}, shell=shell, severity_map=severity_map or {},
            stream=stream, finding_codes=finding_codes,
        )  # fmt: skip
        self._root = Path(os.path.realpath(root))
        self._trusted = trusted_checkout
        self._clock = clock
        self._env = self._child_env(environ)
        self._since = process.stops()

    def run(self, change: ChangeSet, files: Files) -> Report:
        """Run the command on the change's files as they stand in the checkout. Raises ScriptError when nothing
        came of it; where some of several calls failed, their files are `not_reviewed`."""
        cwd = self._cwd()
        wants_files = command.FILES in self._set.run
        chosen, stale = self._files(change, files)
        if wants_files and not chosen:
            return Report(not_reviewed=tuple(stale), notices=self._stale(stale))
        reading = Reading(
            root=self._root,
            workdir=self._workdir(),
            known=frozenset(file.path for file in change.files),
            severity_map=self._set.severity_map,
            pattern=self._set.pattern,
            head=files.head,
        )
        report = self._batches(chosen if wants_files else None, cwd, reading)
        # What a command without {files} says of a file in another version is about other lines than those under review.
        findings = tuple(f for f in report.findings if f.path not in stale)
        return replace(
            report,
            findings=findings,
            not_reviewed=(*report.not_reviewed, *stale),
            notices=(*report.notices, *self._stale(stale)),
        )

    def _batches(self, chosen: Sequence[str] | None, cwd: Path, reading: Reading) -> Report:
        """All calls, one after the other, under one deadline."""
        deadline = self._clock() + self._set.timeout_s
        results: list[Parsed] = []
        lost: list[str] = []
        failures: list[ScriptError] = []
        batches = [[]] if chosen is None else list(command.batches(chosen))
        for batch in batches:
            try:
                results.append(self._call(batch, cwd, reading, left_s=deadline - self._clock()))
            except ScriptError as error:
                failures.append(error)
                lost += [posixpath.normpath(posixpath.join(reading.workdir, file)) for file in batch]
        if failures and not results:
            raise failures[0]
        return self._report(results, lost, failures, reading)

    def _call(self, batch: Sequence[str], cwd: Path, reading: Reading, *, left_s: float) -> Parsed:
        """One child and what it said."""
        argv = self._argv(batch)
        if left_s <= 0:
            raise self._late()
        done = process.run(
            argv,
            cwd=cwd,
            env=self._env,
            timeout_s=left_s,
            max_output=MAX_OUTPUT,
            stop_when_full=True,
            since=self._since,
        )
        self._check_end(done)
        try:
            parsed = formats.parse(self._set.parse_output, self._printed(done), reading)
        except ScriptError as error:
            if done.returncode == 0:
                raise
            raise self._failed(done, error.message) from error
        if done.returncode != 0 and not (parsed.findings or parsed.unread or parsed.suppressed or parsed.gaps):
            raise self._failed(done, "no findings in its output")
        return parsed

    def _printed(self, done: process.Completed) -> bytes:
        """What is to be read."""
        if self._set.stream == "both":
            return done.stdout + b"\n" + done.stderr
        return done.stdout if self._set.stream == "stdout" else done.stderr

    def _check_end(self, done: process.Completed) -> None:
        if done.truncated:  # first: it was ended for that
            raise ScriptError(
                f"{self._program()} printed more than {MAX_OUTPUT // 1_000_000} MB",
                hint="narrow the command down, or let it report fewer findings",
                slug="script-output",
            )
        if done.timed_out:
            raise self._late()
        if done.returncode < 0:
            raise self._failed(done, "it crashed")
        codes = self._set.finding_codes
        if codes is not None and done.returncode not in (0, *codes):
            raise self._failed(done, "it could not do its work")

    def _late(self) -> ScriptError:
        return ScriptError(
            f"{self._program()} did not end within {self._set.timeout_s:g} s",
            hint=f"raise `timeout` of the pipeline {self._set.name}, or narrow the command down",
            slug="script-timeout",
        )

    def _failed(self, done: process.Completed, what: str) -> ScriptError:
        code = done.returncode
        end = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if self._set.shell and code in _SHELL_SAYS:
            what = _SHELL_SAYS[code]
        said = _last_line(done.stderr) or _last_line(done.stdout)
        return ScriptError(
            f"{self._program()} {end}: {what}" + (f"; it said: {said}" if said else ""),
            hint=f"run it by hand: {self._set.run}",
            slug="script-failed",
        )

    def _report(
        self, results: Sequence[Parsed], lost: Sequence[str], failures: Sequence[ScriptError], reading: Reading
    ) -> Report:
        findings = dict.fromkeys(finding for parsed in results for finding in parsed.findings)
        unread = [path for parsed in results for path in parsed.unread]
        notices = list(dict.fromkeys(self._notice(error.slug, error.message, error.hint) for error in failures))
        gaps = list(dict.fromkeys(title_of(gap) for parsed in results for gap in parsed.gaps))
        problems = dict.fromkeys(title_of(problem) for parsed in results for problem in parsed.problems)
        notices += [self._notice("script-problem", f"{self._program()}: {told}") for told in problems]
        missed = dict.fromkeys([*lost, *(path for path in unread if path in reading.known)])
        more = f" … and {len(gaps) - 1} more" if len(gaps) > 1 else ""
        return Report(tuple(findings), tuple(missed), tuple(notices), (gaps[0] + more,) if gaps else ())

    def _notice(self, slug: str, message: str, hint: str = "") -> Notice:
        return Notice(slug, message, hint, self._set.name)

    def _argv(self, batch: Sequence[str]) -> list[str]:
        path, outside = self._env.get("PATH", ""), None if self._trusted else self._root
        if self._set.shell:
            return command.shell_words(self._set.run, batch, shell=process.resolve("sh", path=path, outside=outside))
        split = command.words(self._set.run)
        program = split[0]
        if "/" in program and not os.path.isabs(program):  # noqa: PTH117
            program = os.path.normpath(self._root / self._workdir() / program)
        if not self._trusted:
            self._refuse_brought_along(split)
        return [process.resolve(program, path=path, outside=outside), *command.fill(split[1:], batch)]

    def _refuse_brought_along(self, split: Sequence[str]) -> None:
        """An interpreter on a program of the checkout runs what the change wrote there."""
        name = PurePosixPath(split[0]).name.rstrip("0123456789.")
        script = next((word for word in split[1:] if not word.startswith("-")), None)
        if name not in _INTERPRETERS or script is None or script == command.FILES or "-m" in split or "-c" in split:
            return
        place = os.path.realpath(self._root / self._workdir() / script)
        if Path(place).is_relative_to(self._root):
            raise ScriptError(
                f"{script} is part of the checkout, which must not choose the programs that run",
                hint="keep it outside the checkout, or accept the checkout with `loom trust`",
                slug="not-found",
            )

    def _program(self) -> str:
        """What to call the command in messages."""
        return "the command" if self._set.shell else self._set.run.split(maxsplit=1)[0]

    def _child_env(self, environ: Mapping[str, str]) -> dict[str, str]:
        env = process.child_env(environ, extra={**_SAFE_ENV, **self._set.env})
        if not self._trusted:
            kept = [entry for entry in env.get("PATH", "").split(os.pathsep) if self._is_outside(entry)]
            env["PATH"] = os.pathsep.join(kept)
        return env

    def _is_outside(self, entry: str) -> bool:
        place = Path(entry)
        return place.is_absolute() and not Path(os.path.realpath(place)).is_relative_to(self._root)

    def _workdir(self) -> str:
        return posixpath.normpath(self._set.workdir or ".")

    def _cwd(self) -> Path:
        workdir = self._workdir()
        place = Path(os.path.realpath(self._root / workdir))
        if posixpath.isabs(workdir) or not place.is_relative_to(self._root):
            raise ScriptError(f"workdir {workdir} leads out of the checkout", hint="name a folder below it")
        if not place.is_dir():
            raise ScriptError(f"workdir {workdir} does not exist", hint="check `workdir` of the pipeline")
        return place

    def _files(self, change: ChangeSet, files: Files) -> tuple[list[str], list[str]]:
        """Files to hand over, as seen from `workdir`, and those that stand in the checkout in another version."""
        workdir = self._workdir()
        chosen: list[str] = []
        stale: list[str] = []
        for file in change.files:
            inside = workdir == "." or file.path.startswith(workdir + "/")
            if not inside or file.status == "deleted" or file.new_mode in _LINKS:
                continue
            if is_current(self._root, change.ref, file, files):
                chosen.append(file.path if workdir == "." else file.path[len(workdir) + 1 :])
            else:
                stale.append(file.path)
        return chosen, stale

    def _stale(self, stale: Sequence[str]) -> tuple[Notice, ...]:
        if not stale:
            return ()
        names = ", ".join(show_path(path) for path in stale[:3]) + (" …" if len(stale) > 3 else "")
        message = f"{len(stale)} file(s) in the checkout are not the version under review: {names}"
        return (self._notice("script-stale", message, "check out the change before the review"),)


def is_current(root: Path, ref: ChangeRef, file: FileChange, files: Files) -> bool:
    """Whether the checkout holds the version under review; where that is not known, whether it holds the file.
    Of a bare diff a text file is known exactly where the checkout's content is what the diff leads to. Line ends do
    not count: git may have changed them on the way out."""
    found = _read_plain(root, file.path)
    wanted = files.head(file.path)
    if wanted is None:
        return found is not None and (ref.source != "diff" or file.binary)
    return found is not None and _unix(found) == _unix(wanted)


def _read_plain(root: Path, path: str) -> bytes | None:
    """A regular file of the checkout that no link on the way leads to; None for anything else."""
    place = root
    for part in PurePosixPath(path).parts:
        place = place / part
        try:
            mode = place.lstat().st_mode
        except (OSError, ValueError):
            return None
        if stat.S_ISLNK(mode):
            return None
    try:
        return place.read_bytes() if stat.S_ISREG(mode) else None
    except OSError:
        return None


def _unix(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _last_line(data: bytes) -> str:
    """The last thing a program said, in one short line."""
    lines = [line for line in decode_text(data[-4_000:]).splitlines() if line.strip()]
    return " ".join(lines[-1].split())[:300] if lines else ""
