"""Child processes: a scrubbed environment, a process group of their own, limits on time and output.

Everything that Loom starts goes through `run` (git included), so that nothing outlives a review, inherits a secret,
or fills the memory. What is run, and whether it may be, is decided by the callers.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from loom.core.errors import ScriptError

ALLOWED_NAMES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM", "CI")
"""What every child may see of our environment."""

_WINDOWS_NAMES = ("SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "PATHEXT", "COMSPEC", "USERPROFILE")
"""Without these most Windows programs, Python included, do not start."""

_SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|COOKIE|(?:^|_)(?:PAT|PWD|AUTH)(?:_|$)", re.I)

_CHUNK = 65536
_GRACE_S = 1.0
"""How long output may still arrive after the group is dead; a grandchild that left the group can hold the pipe open."""

_MAX_FILE_BYTES = 2 << 30
"""RLIMIT_FSIZE of children. RLIMIT_AS and RLIMIT_NPROC are left alone: Node, Go and the JVM reserve address space by
the gigabyte, and NPROC counts every process of the user, not the child's."""

_PR_SET_DUMPABLE = 4  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended."""

    returncode: int
    """Negative: killed by that signal."""
    stdout: bytes
    stderr: bytes
    timed_out: bool
    truncated: bool
    """Whether stdout or stderr went over the cap; the rest was read and thrown away."""


class _Drain(threading.Thread):
    """Reads one pipe to its end and keeps the first `cap` bytes, so that the child never blocks on a full pipe."""

    def __init__(self, pipe: IO[bytes], cap: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._cap = pipe, cap
        self._chunks: list[bytes] = []
        self.truncated = False
        self.start()

    def run(self) -> None:
        kept = 0
        with self._pipe as pipe:
            while chunk := os.read(pipe.fileno(), _CHUNK):
                room = self._cap - kept
                self.truncated = self.truncated or len(chunk) > room
                if room > 0:
                    self._chunks.append(chunk[:room])
                    kept += len(self._chunks[-1])

    def taken(self) -> bytes:
        """What was kept; the chunks are given up."""
        data = b"".join(self._chunks)
        self._chunks = []
        return data


_live: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()
_stops = 0
"""How often `stop_all` was called."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    stdin: bytes | None = None,
    max_output: int = 5_000_000,
    stop_when_full: bool = False,
    since: int | None = None,
) -> Completed:
    """Run `argv` in a group of its own and wait for it; it sees `env` and nothing else of ours.

    A program name without a slash is looked up in `env["PATH"]`, absolute entries only. After `timeout_s`, and also
    when the program ends and leaves others behind, the whole group gets SIGKILL. Raises ScriptError (slugs
    `not-found`, `not-executable`) when the program cannot be started; any exit code is a Completed. With
    `stop_when_full` a program that prints more than `max_output` is ended there and then. `since` is what
    `stops()` said when the work began that this call is a part of: once that is stopped nothing more of it is started
    (`script-stopped`).
    """
    program = argv[0]
    if not _has_separator(program):
        program = resolve(program, path=env.get("PATH", ""), outside=None)
    child = _start([program, *argv[1:]], cwd, env, with_stdin=stdin is not None, since=since)
    assert child.stdout is not None
    assert child.stderr is not None
    drains = (_Drain(child.stdout, max_output), _Drain(child.stderr, max_output))
    if child.stdin is not None:
        threading.Thread(target=_feed, args=(child.stdin, stdin or b""), daemon=True).start()
    try:
        timed_out = not _await_exit(child, drains, timeout_s, stop_when_full=stop_when_full)
    finally:
        _end(child)
    for drain in drains:
        drain.join(_GRACE_S)
    return Completed(
        child.returncode, drains[0].taken(), drains[1].taken(), timed_out, any(drain.truncated for drain in drains)
    )


def stops() -> int:
    """Identifies the work that begins now, for `run(since=…)`."""
    return _stops


def stop_all() -> None:
    """Kill every child that runs now, with its group, and let no work that has begun start another. Safe from any
    thread and from a signal handler's aftermath."""
    global _stops
    with _lock:
        _stops += 1
        for child in _live:
            _kill_group(child)


def start(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A child that stays, to be talked to over its pipes (git cat-file --batch). End it with `end`; raises like `run`.

    Its stderr is discarded. `argv[0]` is an absolute path.
    """
    return _start(argv, cwd, env, with_stdin=True, stderr=subprocess.DEVNULL)


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a child from `start` and close its pipes. Idempotent."""
    _end(child)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # flushing to a dead reader
                pipe.close()


def _start(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    *,
    with_stdin: bool,
    stderr: int = subprocess.PIPE,
    since: int | None = None,
) -> subprocess.Popen[bytes]:
    with _lock:  # held over the fork, so that stop_all never misses a child that is being born
        if since is not None and since != _stops:
            raise ScriptError("interrupted", slug="script-stopped")
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                close_fds=True,
                start_new_session=True,
            )
        except OSError as error:
            raise _cannot_start(argv[0], cwd, error) from error
        except ValueError as error:  # a NUL byte in an argument or in the environment
            raise ScriptError(f"cannot start {argv[0]!r}: {error}", slug="not-executable") from error
        _live.add(child)
    _limit(child.pid)
    return child


def _cannot_start(program: str, cwd: Path, error: OSError) -> ScriptError:
    if not cwd.is_dir():
        return ScriptError(
            f"cannot start {program}: the directory {cwd} does not exist",
            hint="check `workdir` of the pipeline",
            slug="not-found",
        )
    if isinstance(error, FileNotFoundError) and not os.path.lexists(cwd / program):
        return _not_found(program)
    return ScriptError(
        f"cannot start {program}: {error.strerror}",
        hint="is it executable, and is the interpreter in its first line there?",
        slug="not-executable",
    )


def _limit(pid: int) -> None:
    """No core dumps (they hold the child's memory) and no endless files. Linux only: elsewhere it would need code
    between fork and exec, which is unsafe in a process with threads."""
    if sys.platform == "linux":
        import resource

        for kind, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)):
            with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):  # gone already, or stricter yet
                resource.prlimit(pid, kind, (value, value))


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError), pipe:  # the child may end without reading all of it
        pipe.write(data)


def _await_exit(
    child: subprocess.Popen[bytes], drains: Iterable[_Drain], timeout_s: float, *, stop_when_full: bool
) -> bool:
    """Wait until the child has ended or is to be ended, without reaping it where that can be had; False when time ran
    out.

    Unreaped, its number cannot be given to another process before the rest of its group is killed.
    """
    deadline = time.monotonic() + timeout_s
    delay = 0.0005
    while not _has_ended(child):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if stop_when_full and any(drain.truncated for drain in drains):
            return True
        reading = next((drain for drain in drains if drain.is_alive()), None)
        if reading is not None:
            reading.join(min(delay, left))  # the end of its output is the usual sign: no wait is wasted
        else:
            time.sleep(min(delay, left))
        delay = min(delay * 2, 0.05)
    return True


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    if sys.platform == "win32" or not hasattr(os, "waitid"):
        return child.poll() is not None
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody reaped it (SIGCHLD ignored): Popen knows how to cope
        return child.poll() is not None


def _end(child: subprocess.Popen[bytes]) -> None:
    with _lock:
        if child in _live:
            _kill_group(child)
            child.wait()
            _live.discard(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone; macOS says EPERM for a group of zombies
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)


def looks_secret(name: str) -> bool:
    """Whether a variable of this name probably holds a secret."""
    return _SECRET_NAME.search(name) is not None


def child_env(
    environ: Mapping[str, str], *, allow: Iterable[str] = (), extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a child may see: a short list of harmless names and `allow`, without names that look secret; then `extra`
    as it is (its values were written by someone who may)."""
    names = [*ALLOWED_NAMES, *(_WINDOWS_NAMES if sys.platform == "win32" else ()), *allow]
    env = {name: environ[name] for name in names if name in environ and not looks_secret(name)}
    return env | dict(extra or {})


def resolve(name: str, *, path: str, outside: Path | None) -> str:
    """The absolute path of the program `name`, looked up in `path` (relative entries are ignored).

    With `outside`, a program that lies in that directory, or leads into it over a link, does not count: a checkout
    must not choose which program runs. Raises ScriptError (`not-found`).
    """
    barred = Path(os.path.realpath(outside)) if outside is not None else None
    inside = False
    for candidate in _candidates(name, path):
        if barred is not None and _leads_into(candidate, barred):
            inside = True
        else:
            return str(candidate)
    raise _not_found(name, inside=inside)


def _candidates(name: str, path: str) -> Iterable[Path]:
    if _has_separator(name):
        folders, file = [os.path.dirname(name)], os.path.basename(name)  # noqa: PTH119, PTH120 (Path drops "./")
    else:
        folders, file = path.split(os.pathsep), name
    endings = [""]
    if sys.platform == "win32":
        endings += [".exe", ".bat", ".cmd"]
    for folder in folders:
        for ending in endings:
            candidate = Path(folder, file + ending)
            if Path(folder).is_absolute() and candidate.is_file() and os.access(candidate, os.X_OK):
                yield candidate


def _leads_into(candidate: Path, barred: Path) -> bool:
    """Whether the file, where it stands or where it leads, is in `barred` (a real path)."""
    standing = Path(os.path.realpath(candidate.parent), candidate.name)
    return any(place.is_relative_to(barred) for place in (standing, Path(os.path.realpath(candidate))))


def _has_separator(name: str) -> bool:
    return os.sep in name or bool(os.altsep and os.altsep in name)


def _not_found(program: str, *, inside: bool = False) -> ScriptError:
    if inside:
        return ScriptError(
            f"{program} was found only inside the checkout, which must not choose the programs that run",
            hint="install it outside the checkout, or accept the checkout with `loom trust`",
            slug="not-found",
        )
    return ScriptError(
        f"{program}: program not found", hint="install it, or name it with its absolute path", slug="not-found"
    )


def protect_environment() -> bool:
    """Keep other processes of this user from reading our memory and /proc/self/environ, where the keys are.

    Linux only, a system call; children are not affected (exec resets it). Root can still read. True when it worked.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):  # a C library without prctl
        return False
