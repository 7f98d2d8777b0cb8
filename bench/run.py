"""How fast and how small Loom is: installs it afresh, measures it, prints a table and writes bench/out/bench.json.

    python bench/run.py            # everything, some minutes; exit code 1 when a `must` is missed
    python bench/run.py --quick    # does it all run? Times are not judged

Needs Python 3.11 or later, git, and a package index to install from. What the figures mean: docs/performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import child
import material
from install import Installed, install
from rows import Row, spread, table

HERE = Path(__file__).resolve().parent
FIVE = ("review", "security", "logic", "performance", "style")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all measurements share."""

    installed: Installed
    work: Path
    repeat: int
    latency_s: float
    megabytes: float

    @property
    def env(self) -> dict[str, str]:
        """Nothing of the caller's but where programs are. Byte-code is written: PYTHONDONTWRITEBYTECODE is not set."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}

    @property
    def home(self) -> Path:
        """Where the cache and the last results go."""
        return self.work / "home"

    def forget(self) -> None:
        """No cached answers, as for a change that was never reviewed. What was trusted stays so."""
        shutil.rmtree(self.home / ".cache", ignore_errors=True)

    def loom(self, *args: str, cwd: Path, env: Mapping[str, str] | None = None) -> child.Cost:
        """Run the console script to a good end."""
        cost = child.run([self.installed.loom, *args], cwd=cwd, env={**self.env, **(env or {})})
        if cost.code not in (0, 1):  # 1: a finding at the bar
            raise SystemExit(f"loom {' '.join(args)} ended with {cost.code}:\n{cost.stderr}")
        return cost


class Model:
    """The model server's process."""

    def __init__(self, latency_s: float) -> None:
        command = [sys.executable, str(HERE / "model.py"), str(latency_s)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._read().strip()

    def counts(self) -> dict[str, int]:
        """What it was asked since the last call."""
        assert self._child.stdin is not None
        print(file=self._child.stdin, flush=True)
        counts: dict[str, int] = json.loads(self._read())
        return counts

    def stop(self) -> None:
        """End it."""
        self._child.communicate("")

    def _read(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline()


def start_up(bench: Bench) -> Iterator[Row]:
    """`--version` in pairs with a bare interpreter; `--help`."""
    ratios, bare = [], []
    python = bench.installed.python
    for _ in range(bench.repeat * 4):
        bare.append(child.run([python, "-c", "pass"], cwd=bench.work, env=bench.env).cpu_s)
        ratios.append(bench.loom("--version", cwd=bench.work).cpu_s / bare[-1])
    ratio = statistics.median(ratios)
    note = f"median of {len(ratios)} pairs; python -c pass {min(bare):.4f} s"
    yield Row(what="loom --version ÷ python -c pass, CPU", figure=ratio, unit="×", must=1.5, goal=1.2, note=note)
    helps = [bench.loom("--help", cwd=bench.work).cpu_s for _ in range(bench.repeat * 2)]
    yield Row(what="loom --help, CPU", figure=min(helps), unit="s", must=0.25, goal=0.16, note=spread(helps))


def reviews(bench: Bench, model: Model) -> Iterator[Row]:
    """Three files with one and with five pipelines, and again from the cache."""
    one, five = (_repository(bench, model, name, FIVE[:count]) for name, count in (("one", 1), ("five", 5)))
    ones: list[child.Cost] = []
    fives: list[child.Cost] = []
    agains, asked = [], 0
    bench.loom("review", cwd=one)  # the first run of all: git's and the kernel's caches are warm for the others
    for _ in range(bench.repeat):
        for repo, costs in ((five, fives), (one, ones)):
            bench.forget()
            costs.append(bench.loom("review", cwd=repo))
        model.counts()
        agains.append(bench.loom("review", cwd=one))
        counts = model.counts()
        asked += counts["requests"] + counts["lookups"]
    yield from _review_rows(bench, ones, fives)
    bench.forget()
    peak = child.peak_bytes([bench.installed.loom, "review"], cwd=one, env=bench.env) / 2**20
    yield Row(what="peak memory of the review of 3 files", figure=peak, unit="MiB", must=75, goal=55, timed=False)
    walls = [cost.wall_s for cost in agains]
    yield Row(what="the same again, cached: wall", figure=min(walls), unit="s", must=0.45, goal=0.25,
              note=f"{spread(walls)}; CPU {min(c.cpu_s for c in agains):.3f} s")  # fmt: skip
    yield Row(what="the same again, cached: requests of any kind", figure=asked, unit="requests", must=0, goal=0,
              timed=False)  # fmt: skip


def _review_rows(bench: Bench, ones: list[child.Cost], fives: list[child.Cost]) -> Iterator[Row]:
    own = [cost.wall_s - bench.latency_s for cost in ones]
    all_five = [cost.wall_s - bench.latency_s for cost in fives]
    note = f"{spread(own)}; CPU {min(c.cpu_s for c in ones):.3f} s"
    yield Row(what="review of 3 files, 1 LLM pipeline: wall − the model's wait", figure=min(own), unit="s",
              must=0.6, goal=0.3, note=note)  # fmt: skip
    # `equal` is a ratio of two measurements: within five hundredths it is.
    yield Row(what="5 pipelines at once ÷ 1: wall − one wait", figure=min(all_five) / min(own), unit="×", must=1.2,
              goal=1.05, note=f"{min(all_five):.3f} s, {spread(all_five)}")  # fmt: skip


def prompts(bench: Bench, model: Model) -> Iterator[Row]:
    """What a model is sent for thirty small files."""
    repo = bench.work / "thirty" / "repo"
    diff_bytes = material.repository(repo, files=30, hunks=1, config=material.config(model.url, FIVE[:1]))
    bench.loom("trust", cwd=repo)
    bench.forget()
    model.counts()
    bench.loom("review", cwd=repo)
    counts = model.counts()
    ratio = counts["prompt_bytes"] / diff_bytes
    yield Row(what="prompt bytes ÷ diff bytes, 30 files", figure=ratio, unit="×", must=5, goal=3, timed=False,
              note=f"{counts['prompt_bytes']:,} of {diff_bytes:,} bytes")  # fmt: skip
    yield Row(
        what="requests for 30 small files", figure=counts["requests"], unit="requests", must=3, goal=1, timed=False
    )


def parsing(bench: Bench) -> Iterator[Row]:
    """A large diff: the slowest and the largest of its kinds."""
    command = [str(bench.installed.python), str(HERE / "parse_diff.py"), "--megabytes", str(bench.megabytes)]
    speeds: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for _ in range(max(1, bench.repeat // 5)):
        out = bench.work / "parse.txt"
        child.run(command, cwd=bench.work, env=bench.env, stdout=out)
        for row in json.loads(out.read_text().splitlines()[-1])["rows"]:
            speeds[row["case"]] = max(row["mb_per_s"], speeds.get(row["case"], 0.0))
            sizes[row["case"]] = min(row["memory_x"], sizes.get(row["case"], 1e9))
    what = f"parsing a {bench.megabytes:.0f} MB diff"
    each = "; ".join(f"{case} {speed}" for case, speed in speeds.items())
    yield Row(what=f"{what}, CPU", figure=min(speeds.values()), unit="MB/s", must=6, goal=10, better="more", note=each)
    each = "; ".join(f"{case} {size}" for case, size in sizes.items())
    yield Row(what=f"{what}: memory ÷ its size", figure=max(sizes.values()), unit="×", must=10, goal=5, timed=False,
              note=each)  # fmt: skip


def analysing(bench: Bench) -> Iterator[Row]:
    """Without a model: 5,000 changed lines in six languages through every built-in, and the pieces."""
    repo = bench.work / "languages" / "repo"
    names = ("secrets", "unicode", "hygiene", "rules")
    config = "pipelines:\n" + "".join(f"  - {{name: {name}, uses: builtin/{name}}}\n" for name in names)
    lines = material.six_languages(repo, files=100, config=config)
    command = ["review", "--offline"]
    costs = [bench.loom(*command, cwd=repo) for _ in range(bench.repeat)]
    walls = [cost.wall_s for cost in costs]
    what = f"all built-ins on {lines:,} changed lines, 100 files, 6 languages"
    note = f"{spread(walls)}; CPU {min(cost.cpu_s for cost in costs):.3f} s"
    yield Row(what=f"{what}: wall", figure=min(walls), unit="s", must=1.5, goal=0.6, note=note)
    peak = child.peak_bytes([bench.installed.loom, *command], cwd=repo, env=bench.env) / 2**20
    yield Row(what="… peak memory", figure=peak, unit="MiB", must=150, goal=150, timed=False)
    out = bench.work / "analysis.txt"
    child.run([bench.installed.python, HERE / "analysis.py"], cwd=bench.work, env=bench.env, stdout=out)
    found = json.loads(out.read_text())
    yield Row(what="secrets in ordinary source, CPU", figure=found["secrets_mb_per_s"], unit="MB/s", must=5, goal=5,
              better="more")  # fmt: skip
    yield Row(what="SARIF of 10,000 results, CPU", figure=found["sarif_s"], unit="s", must=1, goal=1)
    yield Row(what="HTML page of 500 findings, CPU", figure=found["html_s"], unit="s", must=0.5, goal=0.5)
    yield Row(what="… bytes besides the diff", figure=found["html_bytes"] / 1e6, unit="MB", must=1, goal=1,
              timed=False, note=f"{found['html_page']:,} bytes in all")  # fmt: skip


def size(bench: Bench) -> Iterator[Row]:
    """What an installation brings."""
    names = bench.installed.distributions()
    yield Row(what="default install: distributions", figure=len(names), unit="", must=27, goal=25, timed=False,
              note=", ".join(name.partition(" ")[0] for name in names))  # fmt: skip
    sizes = sorted(bench.installed.sizes().items(), key=lambda item: -item[1])
    largest = ", ".join(f"{name} {count / 2**20:.1f}" for name, count in sizes[:5])
    yield Row(what="default install without byte-code", figure=sum(n for _, n in sizes) / 2**20, unit="MiB", must=80,
              goal=65, timed=False, note=largest)  # fmt: skip


def beyond(bench: Bench, model: Model) -> Iterator[Row]:
    """Not in the table of goals: what a first-time user runs, and what a terminal costs."""
    repo = bench.work / "plain" / "repo"
    material.repository(repo, files=3, hunks=2, config=None)
    chosen = {"LOOM_MODEL": "bench-model", "LOOM_BASE_URL": model.url}
    for what, env, wait_s in (
        ("3 files, no configuration, no model: all analyzers", {}, 0.0),
        ("3 files, no configuration, a model: wall − the model's wait", chosen, bench.latency_s),
    ):
        costs = []
        for _ in range(bench.repeat):
            bench.forget()
            costs.append(bench.loom("review", cwd=repo, env=env))
        peak = child.peak_bytes([bench.installed.loom, "review"], cwd=repo, env={**bench.env, **env}) / 2**20
        walls = [cost.wall_s - wait_s for cost in costs]
        note = f"{spread(walls)}; CPU {min(c.cpu_s for c in costs):.3f} s; peak {peak:.1f} MiB"
        yield Row(what=what, figure=min(walls), unit="s", note=note)
    shown = []
    for _ in range(bench.repeat):
        bench.forget()
        shown.append(
            child.run_on_terminal([bench.installed.loom, "review"], cwd=bench.work / "one" / "repo", env=bench.env)
        )
    walls = [cost.wall_s - bench.latency_s for cost in shown]
    note = f"{spread(walls)}; CPU {min(c.cpu_s for c in shown):.3f} s"
    yield Row(what="review of 3 files on a terminal: wall − the model's wait", figure=min(walls), unit="s", note=note)


def _repository(bench: Bench, model: Model, name: str, pipelines: tuple[str, ...]) -> Path:
    repo = bench.work / name / "repo"
    material.repository(repo, files=3, hunks=2, config=material.config(model.url, pipelines))
    bench.loom("trust", cwd=repo)
    return repo


def machine(bench: Bench) -> dict[str, object]:
    """Where the figures come from."""
    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    python = subprocess.run([bench.installed.python, "-VV"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{os.cpu_count()} × {cpu}",
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": python,
        "git": git,
        "distributions": bench.installed.distributions(),
    }


def measure(bench: Bench) -> list[Row]:
    """All rows, in the order of the table."""
    bench.home.mkdir()
    found = list(start_up(bench))
    model = Model(bench.latency_s)
    try:
        found += [*reviews(bench, model), *prompts(bench, model)]
        found += [*parsing(bench), *analysing(bench), *size(bench), *beyond(bench, model)]
    finally:
        model.stop()
    return found


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions, a small diff, times not judged")
    parser.add_argument("--repeat", type=int, help="how often a review is run (15)")
    parser.add_argument("--venv", type=Path, help="an environment with Loom in it, instead of a fresh one")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "bench.json", help="where the JSON goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loom-bench-") as folder:
        installed = Installed(options.venv.resolve()) if options.venv else install(Path(folder, "venv"), HERE.parent)
        bench = Bench(
            installed=installed,
            work=Path(folder),
            repeat=options.repeat or (2 if options.quick else 15),
            latency_s=0.5,
            megabytes=2 if options.quick else 20,
        )
        where = machine(bench)
        found = measure(bench)
    print(table(found))
    print(f"\n{where['python']} · {where['system']} · {where['cpu']} · load {where['load']} · {where['git']}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": where, "rows": [row.document() for row in found]}, indent=1) + "\n")
    missed = [row.what for row in found if row.verdict == "MISSED" and not (options.quick and row.timed)]
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
