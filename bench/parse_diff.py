"""How fast, and in how much memory, a 20 MB diff is parsed. Prints a table and, as its last line, JSON.

Part of bench/run.py; also for itself: python bench/parse_diff.py [--megabytes 20]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SPEED_MUST, SPEED_GOAL = 6.0, 10.0  # MB of diff per CPU second
MEMORY_MUST, MEMORY_GOAL = 10.0, 5.0  # peak resident memory, the diff's own bytes included, ÷ its size

HUNK = (
    b"@@ -%d,8 +%d,8 @@ def handler(request):\n"
    b"     order = load(request)\n     total = 0\n"
    b"-    for item in order: total += item.price\n+    for line in order.lines:\n+        total += line.price\n"
    b"     total += shipping(order)\n-\n     return total\n \n \n"
)


def many_files(size: int) -> bytes:
    """As a large refactoring: files with tens of small hunks."""
    out, number, length = [], 0, 0
    while length < size:
        name = b"src/package/module_%d.py" % number
        head = b"diff --git a/%s b/%s\nindex 1111111..2222222 100644\n--- a/%s\n+++ b/%s\n" % (name, name, name, name)
        part = head + b"".join(HUNK % (40 * n + 1, 40 * n + 1) for n in range(40))
        out.append(part)
        number, length = number + 1, length + len(part)
    return b"".join(out)


def one_file(size: int) -> bytes:
    """As a generated file: one hunk of added lines."""
    count = size // 50
    head = b"diff --git a/big.py b/big.py\nnew file mode 100644\nindex 0000000..2222222\n--- /dev/null\n+++ b/big.py\n"
    lines = b"".join(b"+value_%012d = compute(%012d)  # generated\n" % (n, n) for n in range(count))
    return head + b"@@ -0,0 +1,%d @@\n" % count + lines


def mode_changes(size: int) -> bytes:
    """As chmod -R: headers only."""
    one = b"diff --git a/dir/file_%06d b/dir/file_%06d\nold mode 100644\nnew mode 100755\n"
    return b"".join(one % (n, n) for n in range(size // 90))


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def write(make: Callable[[int], bytes], size: int, place: str) -> None:
    """In a process of its own: on Linux a child starts with its parent's peak (fork, then exec)."""
    Path(place).write_bytes(make(size))


def measure(case: str, place: str) -> dict[str, object]:
    """Read and parse once, in this fresh process; the memory counts from before the diff was read."""
    from loom.infra.parse_diff import parse

    parse(b"")
    before = peak_bytes()
    data = Path(place).read_bytes()
    start = time.process_time()
    parsed = parse(data)
    seconds, grown = time.process_time() - start, peak_bytes() - before
    assert not parsed.unread
    assert not any(file.unreadable for file in parsed.files)
    megabytes = len(data) / 1e6
    return {
        "case": case,
        "diff_mb": round(megabytes, 1),
        "lines": data.count(b"\n"),
        "files": len(parsed.files),
        "mb_per_s": round(megabytes / seconds, 1),
        "memory_x": round(grown / len(data), 2),
    }


def main() -> None:
    """Measure each case in a process of its own, so that peaks do not add up."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=float, default=20)
    size = int(options.parse_args().megabytes * 1e6)
    rows = []
    for make in (many_files, one_file, mode_changes):
        pool = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
        with tempfile.TemporaryDirectory() as folder, pool:
            pool.apply(write, (make, size, f"{folder}/x.diff"))
            rows.append(pool.apply(measure, (make.__name__, f"{folder}/x.diff")))
    print(f"{'case':<14}{'MB':>7}{'lines':>10}{'files':>9}{'MB/s CPU':>10}{'memory':>9}")
    for row in rows:
        print("{case:<14}{diff_mb:>7}{lines:>10}{files:>9}{mb_per_s:>10}{memory_x:>8}x".format(**row))
    print(f"must: {SPEED_MUST} MB/s, {MEMORY_MUST}x; goal: {SPEED_GOAL} MB/s, {MEMORY_GOAL}x")
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
    print(json.dumps({"benchmark": "parse_diff", "rows": rows, "machine": machine}))


if __name__ == "__main__":
    if importlib.util.find_spec("loom") is None:  # run.py measures what is installed
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    main()
