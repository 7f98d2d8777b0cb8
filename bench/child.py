"""One child process: what it cost. CPU and memory are the kernel's own account of it and of its children."""

from __future__ import annotations

import os
import pty
import resource
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    """User and system time, that of its own children (git, linters) included."""
    code: int
    stderr: str


def run(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], stdout: Path | None = None) -> Cost:
    """Run to the end. Standard output goes to a file: a pipe would make the reader part of the measurement."""
    out = os.open(stdout or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    err_path = cwd.parent / "stderr.txt"
    err = os.open(err_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    started = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL,
                             stdout=out, stderr=err)  # fmt: skip
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    os.close(out)
    os.close(err)
    return Cost(wall, used.ru_utime + used.ru_stime, child.returncode, err_path.read_text(errors="replace"))


def peak_bytes(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> int:
    """The most memory that the program, or one of its children, held at a time.

    On Linux a process starts with the peak of the one that called exec: through a shell, which forks, that is the
    shell's megabyte and not ours.
    """
    line = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *map(str, command)]
    child = subprocess.Popen(line, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if peak <= own:
        raise RuntimeError("the benchmark itself is larger than what it measures: the figure would be its own")
    return peak


def run_on_terminal(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run with standard output and error on a terminal of 120 columns, as a person sees it."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    started = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], cwd=cwd, env={**env, "TERM": "xterm-256color"},
                             stdin=theirs, stdout=theirs, stderr=theirs)  # fmt: skip
    os.close(theirs)
    shown = bytearray()
    while True:
        select.select([ours], [], [])
        try:
            data = os.read(ours, 65_536)
        except OSError:  # Linux says EIO when the last writer is gone
            break
        if not data:
            break
        shown += data
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    os.close(ours)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(wall, used.ru_utime + used.ru_stime, child.returncode, shown.decode(errors="replace"))
