"""Script pipelines: real commands in a real checkout, ruff and bandit among them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.changes import Known, change

from loom.analyzers import command
from loom.analyzers.base import Report
from loom.analyzers.script import Script
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.diff import FileChange, decode_path
from loom.core.errors import ScriptError
from loom.core.finding import Severity

BIN = Path(sys.executable).parent
BUGGY = "import os\n\n\ndef run(text, seen=[]):\n    seen.append(text)\n    return eval(text)\n"


class Bench:
    """A checkout and a folder of programs outside of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.root, self.bin = tmp_path / "checkout", tmp_path / "bin"
        self.root.mkdir()
        self.bin.mkdir()

    def environ(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.bin}:{BIN}:/usr/bin:/bin", "HOME": str(self.root.parent), **more}

    def program(self, name: str, body: str, *, folder: Path | None = None) -> Path:
        file = (folder or self.bin) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)
        return file

    def write(self, files: dict[str, str]) -> tuple[ChangeSet, Known]:
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        return change(files)

    def script(self, run: str, parse_output: str = "text", **settings: object) -> Script:
        environ = settings.pop("environ", None) or self.environ()
        return Script(name="lint", run=run, parse_output=parse_output, root=self.root, environ=environ, **settings)  # type: ignore[arg-type]

    def report(self, run: str, parse_output: str = "text", **settings: object) -> Report:
        """Run on two small files."""
        return self.script(run, parse_output, **settings).run(*self.write({"a.py": "x = 1\n", "sub/b.py": "y = 2\n"}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def shown(report: Report) -> list[tuple[object, ...]]:
    return [(f.path, f.line, f.severity and f.severity.value, f.rule) for f in report.findings]


@pytest.mark.parametrize(
    ("run", "parse_output"),
    [
        ("ruff check --isolated --select F401,B006,S307 --output-format json {files}", "json"),
        ("ruff check --isolated --select F401,B006,S307 --output-format sarif {files}", "sarif"),
        ("ruff check --isolated --select F401,B006,S307 --output-format concise {files}", "text"),
        ("python -m ruff check --isolated --select F401,B006,S307 --output-format json {files}", "json"),
    ],
)
def test_ruff_reports_the_same_in_every_format(bench: Bench, run: str, parse_output: str) -> None:
    report = bench.script(run, parse_output, severity_map={"S307": Severity.BLOCKER}).run(*bench.write({"a.py": BUGGY}))
    assert [(path, line, rule) for path, line, _, rule in shown(report)] == [
        ("a.py", 1, "F401"),
        ("a.py", 4, "B006"),
        ("a.py", 6, "S307"),
    ]
    assert [f.severity for f in report.findings if f.rule == "S307"] == [Severity.BLOCKER]
    if parse_output != "text":
        assert report.findings[0].suggestion == ""
        assert report.findings[0].rule_url == "https://docs.astral.sh/ruff/rules/unused-import"


@pytest.mark.parametrize("parse_output", ["json", "sarif"])
def test_bandit_reports_and_names_the_file_it_could_not_parse(bench: Bench, parse_output: str) -> None:
    script = bench.script(f"bandit -q -f {parse_output} {{files}}", parse_output)
    report = script.run(*bench.write({"a.py": BUGGY, "broken.py": "def f(:\n"}))
    assert shown(report) == [("a.py", 6, "warning", "B307")]
    if parse_output == "json":  # bandit's SARIF does not tell
        assert report.not_reviewed == ("broken.py",)
        assert report.notices[0].message.startswith("bandit: ./broken.py: syntax error")


def test_a_tool_with_nothing_to_say_finds_nothing(bench: Bench) -> None:
    assert bench.report("ruff check --isolated {files}") == Report()


def test_only_changed_files_that_exist_are_handed_over(bench: Bench) -> None:
    bench.program("show", 'for f in "$@"; do echo "$f:1: seen"; done')
    files, known = bench.write({"a.py": "x = 1\n", "b b.py": "y = 2\n"})
    (bench.root / "link.py").symlink_to("a.py")
    (bench.root / "other.py").write_text("not in the change\n")
    gone = FileChange("gone.py", "deleted", old_mode="100644")
    link = FileChange("link.py", "added", new_mode="120000")
    report = bench.script("show {files}").run(ChangeSet(files.ref, (*files.files, gone, link)), known)
    assert [f.path for f in report.findings] == ["a.py", "b b.py"]


def test_without_a_file_the_command_does_not_run(bench: Bench) -> None:
    bench.program("boom", "exit 9")
    gone = ChangeSet(ChangeRef("range"), (FileChange("gone.py", "deleted", old_mode="100644"),))
    assert bench.script("boom {files}").run(gone, NoFiles()) == Report()
    with pytest.raises(ScriptError):
        bench.script("boom").run(gone, NoFiles())


def test_a_file_that_stands_in_the_checkout_in_another_version_is_not_reviewed(bench: Bench) -> None:
    bench.program("show", 'for f in "$@"; do echo "$f:1: seen"; done')
    files, known = bench.write({"a.py": "x = 1\n", "b.py": "y = 2\n"})
    (bench.root / "b.py").write_text("y = 3\n")
    report = bench.script("show {files}").run(files, known)
    assert [f.path for f in report.findings] == ["a.py"]
    assert report.not_reviewed == ("b.py",)
    assert report.notices[0].message == "1 file(s) in the checkout are not the version under review: b.py"


@pytest.mark.parametrize("run", ["tool {files}", "tool"])
def test_of_a_bare_diff_only_files_that_it_leads_to_are_looked_at(bench: Bench, run: str) -> None:
    bench.program("tool", 'for f in a.py b.py; do echo "$f:1: odd"; done; echo "$*" >> ../handed')
    made, _ = bench.write({"a.py": "x = 1\n", "b.py": "y = 2\n"})
    diff = ChangeSet(ChangeRef("diff"), made.files)
    # The checkout holds a.py as the diff has it; of b.py another version, which is not what is reviewed.
    report = bench.script(run).run(diff, Known({"a.py": b"x = 1\n"}))
    assert [f.path for f in report.findings] == ["a.py"]
    assert report.not_reviewed == ("b.py",)
    assert [notice.slug for notice in report.notices] == ["script-stale"]
    assert "b.py" not in (bench.root.parent / "handed").read_text()


def test_a_binary_file_of_a_bare_diff_is_handed_over(bench: Bench) -> None:
    bench.program("tool", 'echo "$1:1: odd"')
    bench.write({"a.png": "x"})
    diff = ChangeSet(ChangeRef("diff"), (FileChange("a.png", "modified", new_mode="100644", binary=True),))
    assert [f.path for f in bench.script("tool {files}").run(diff, NoFiles()).findings] == ["a.png"]


def test_line_ends_that_git_changed_are_the_same_version(bench: Bench) -> None:
    files, known = bench.write({"a.py": "x = 1\n"})
    (bench.root / "a.py").write_bytes(b"x = 1\r\n")
    bench.program("show", 'echo "$1:1: seen"')
    assert len(bench.script("show {files}").run(files, known).findings) == 1


def test_a_name_that_looks_like_an_option_is_none(bench: Bench) -> None:
    bench.program("show", 'for f in "$@"; do echo "$f:1: seen"; done')
    report = bench.script("show --all {files}").run(*bench.write({"-rf.py": "x\n", "@list.py": "x\n"}))
    assert [f.path for f in report.findings] == ["-rf.py", "@list.py"]


@pytest.mark.parametrize("shell", [False, True])
def test_no_name_is_ever_read_by_a_shell(bench: Bench, shell: bool) -> None:
    names = ["$(touch pwn).py", "`touch pwn`.py", "a;touch pwn.py", "a'b\"c.py", "new\nline.py", "* ?.py", "~.py"]
    bench.program("count", 'echo "got.py:$#: files"; for f in "$@"; do test -f "$f" || echo "lost.py:1: $f"; done')
    report = bench.script("count {files}", shell=shell).run(*bench.write(dict.fromkeys(names, "x\n")))
    assert [(f.path, f.line) for f in report.findings] == [("got.py", len(names))]
    assert not [path for path in bench.root.iterdir() if path.name.startswith("pwn")]


def test_a_shell_command_may_pipe_and_redirect(bench: Bench) -> None:
    report = bench.report("grep -n x {files} /dev/null | sed 's/$/ found/' && echo 'b.py:2: x'", shell=True)
    assert [(f.path, f.line) for f in report.findings] == [("a.py", 1), ("b.py", 2)]


@pytest.mark.parametrize("run", ['tool "{files}"', "tool '{files}'", "tool --files={files}", "sh -c 'tool {files}'"])
def test_in_a_shell_the_files_stand_alone_and_unquoted(bench: Bench, run: str) -> None:
    with pytest.raises(ScriptError, match="must be a word of its own"):
        bench.report(run, shell=True)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ("ruff check . && bandit", "`&&` in the command needs a shell"),
        ("ruff check . | cat", "`|` in the command needs a shell"),
        ("X=1 ruff check", "`X=…` before the command needs a shell"),
        ("ruff 'check", "cannot be split"),
        ("  ", "the command is empty"),
    ],
)
def test_what_only_a_shell_understands_is_refused_with_the_setting_to_change(bench: Bench, run: str, says: str) -> None:
    with pytest.raises(ScriptError) as caught:
        bench.report(run)
    assert says in caught.value.message
    assert caught.value.hint


def test_many_files_are_handed_over_in_batches_and_none_is_lost() -> None:
    files = [f"src/some/folder/file{number:06}.py" for number in range(12_000)]
    made = list(command.batches(files))
    assert [file for batch in made for file in batch] == files
    assert len(made) > 1
    assert all(sum(len(file) + 3 for file in batch) <= command.BATCH_BYTES for batch in made)


def test_findings_of_all_batches_are_kept_and_a_failing_batch_is_named(bench: Bench) -> None:
    bench.program("show", 'for f in "$@"; do case $f in *0001.py) echo bad >&2; exit 3;; esac; done; echo "$1:1: seen"')
    names = {f"{'d' * 120}/file{number:04}.py": "x\n" for number in range(1_500)}
    report = bench.script("show {files}").run(*bench.write(names))
    assert report.findings
    assert f"{'d' * 120}/file0001.py" in report.not_reviewed
    assert 0 < len(report.not_reviewed) < len(names)
    assert report.notices[0].message == "show ended with exit code 3: no findings in its output; it said: bad"


def test_a_word_around_the_files_is_repeated(bench: Bench) -> None:
    bench.program("show", 'echo "a.py:1: $*"')
    report = bench.report("show --file={files} --end")
    assert report.findings[0].message == "--file=a.py --file=sub/b.py --end"


def test_in_a_workdir_files_are_named_from_there_and_findings_come_back_whole(bench: Bench) -> None:
    bench.program("show", 'for f in "$@"; do echo "$f:1: seen"; done')
    report = bench.report("show {files}", workdir="sub")
    assert [f.path for f in report.findings] == ["sub/b.py"]


@pytest.mark.parametrize("workdir", ["..", "/", "sub/../..", "out", "missing"])
def test_a_workdir_outside_of_the_checkout_is_refused(bench: Bench, workdir: str) -> None:
    (bench.root / "out").symlink_to(bench.bin)
    with pytest.raises(ScriptError, match="workdir"):
        bench.report("true", workdir=workdir)


def test_the_child_sees_no_secret_of_ours(bench: Bench) -> None:
    bench.program("show", 'env | while read -r line; do echo "env.py:1: $line"; done')
    names = ("LOOM_API_KEY", "GITHUB_TOKEN", "CI_JOB_TOKEN", "SYSTEM_ACCESSTOKEN")
    secrets = {name: f"value-of-{name.lower()}" for name in names}
    environ = bench.environ(**secrets, EDITOR="vi", CI="true")
    report = bench.report("show", env={"MODE": "strict"}, environ=environ)
    said = {f.message for f in report.findings}
    assert "MODE=strict" in said
    assert "CI=true" in said
    assert not [line for line in said if any(value in line for value in (*secrets.values(), "EDITOR"))]


def test_python_modules_of_the_checkout_are_not_imported(bench: Bench) -> None:
    files, known = bench.write({"json.py": "import pathlib\npathlib.Path('pwn').touch()\n", "a.py": "x = 1\n"})
    bench.script("python -m ruff check --isolated --output-format json {files}", "json").run(files, known)
    bench.script('python -c "import json"').run(files, known)
    assert not (bench.root / "pwn").exists()


@pytest.mark.parametrize("run", ["./lint.sh", "sh lint.sh", "sh ./lint.sh {files}", "bash -e lint.sh", "lint"])
def test_a_program_of_the_checkout_runs_only_where_the_checkout_is_trusted(bench: Bench, run: str) -> None:
    body = "touch ran; echo 'a.py:1: seen'"
    bench.program("lint.sh", body, folder=bench.root)
    bench.program("lint", body, folder=bench.root / "node_modules/.bin")
    environ = {"PATH": f"{bench.root}/node_modules/.bin:/usr/bin:/bin"}
    with pytest.raises(ScriptError) as caught:
        bench.report(run, environ=environ)
    assert caught.value.slug == "not-found"
    assert not (bench.root / "ran").exists()
    assert len(bench.report(run, environ=environ, trusted_checkout=True).findings) == 1


def test_a_missing_program_says_what_to_install(bench: Bench) -> None:
    with pytest.raises(ScriptError, match="no-such-linter: program not found") as caught:
        bench.report("no-such-linter {files}")
    assert caught.value.hint
    with pytest.raises(ScriptError, match="exit code 127: a program in it was not found"):
        bench.report("no-such-linter {files}", shell=True)


def test_a_hanging_program_is_killed_with_its_children(bench: Bench) -> None:
    bench.program("hang", "sleep 60 & echo $! > child; wait")
    with pytest.raises(ScriptError, match=r"hang did not end within 0\.5 s") as caught:
        bench.report("hang", timeout_s=0.5)
    assert caught.value.slug == "script-timeout"
    child = int((bench.root / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_all_calls_share_one_deadline(bench: Bench) -> None:
    ticks: list[float] = [0.0, 0.0, 500.0, 500.0, 500.0]
    clock: Callable[[], float] = lambda: ticks.pop(0) if len(ticks) > 1 else ticks[0]  # noqa: E731
    bench.program("show", 'echo "$1:1: seen"')
    names = {f"{'d' * 120}/file{number:04}.py": "x\n" for number in range(1_500)}
    report = bench.script("show {files}", clock=clock).run(*bench.write(names))
    assert len(report.findings) == 1
    assert [notice.slug for notice in report.notices] == ["script-timeout"]


@pytest.mark.parametrize(
    ("body", "parse_output", "says"),
    [
        ("exit 2", "text", "tool ended with exit code 2: no findings in its output"),
        ("echo 'cannot open config' >&2; exit 2", "json", "it said: cannot open config"),
        ("echo garbage", "json", "the output is not JSON"),
        ("echo garbage; exit 1", "json", "tool ended with exit code 1: the output is not JSON"),
        ("echo '[]'; exit 1", "json", "tool ended with exit code 1: no findings"),
        ("kill -SEGV $$", "text", "tool was killed by signal 11: it crashed"),
        ("head -c 30000000 /dev/zero", "text", "tool printed more than 20 MB"),
        ("exit 0", "sarif", "the output is not SARIF"),
    ],
)
def test_a_failure_is_told_with_its_cause(bench: Bench, body: str, parse_output: str, says: str) -> None:
    bench.program("tool", body)
    with pytest.raises(ScriptError) as caught:
        bench.report("tool {files}", parse_output)
    assert says in caught.value.message
    assert caught.value.hint


def test_results_that_cannot_be_shown_leave_a_gap(bench: Bench) -> None:
    sarif = '{"version":"2.1.0","runs":[{"results":[{"message":{"text":"x"}},{"message":{"text":"y"}}]}]}'
    bench.program("tool", f"echo '{sarif}'; exit 1")
    report = bench.report("tool", "sarif")
    assert report.gaps == ("a result without a place: x … and 1 more",)
    assert [notice.message for notice in report.notices] == [f"tool: a result without a place: {name}" for name in "xy"]


def test_an_exit_code_with_findings_is_no_failure(bench: Bench) -> None:
    bench.program("tool", "echo 'a.py:1: odd'; exit 65")
    assert shown(bench.report("tool {files}")) == [("a.py", 1, None, None)]


def test_an_exit_code_that_suppressed_results_explain_is_no_failure(bench: Bench) -> None:
    sarif = '{"version":"2.1.0","runs":[{"results":[{"message":{"text":"x"},"suppressions":[{"kind":"inSource"}]}]}]}'
    bench.program("tool", f"echo '{sarif}'; exit 1")
    assert bench.report("tool", "sarif") == Report()


def test_findings_outside_of_the_change_are_left_to_the_engine(bench: Bench) -> None:
    lines = ("elsewhere.py:3: odd", "/etc/passwd:1: odd", "a.py:1: odd", "a.py:1: odd")
    bench.program("tool", "; ".join(f"echo '{line}'" for line in lines))
    assert [f.path for f in bench.report("tool").findings] == ["elsewhere.py", "/etc/passwd", "a.py"]


def test_a_tool_that_calls_git_starts_no_monitor_of_the_checkout(bench: Bench) -> None:
    bench.program("tool", 'echo "a.py:1: $(git config --get core.fsmonitor)"')
    assert bench.report("tool", environ=bench.environ()).findings[0].message == "false"


def test_a_path_that_is_not_utf8_is_handed_over_as_it_is(bench: Bench) -> None:
    bench.program("show", 'for f in "$@"; do test -f "$f" && echo "$f:1: seen"; done')
    raw = b"caf\xe9.py"
    Path(os.fsdecode(bytes(bench.root) + b"/" + raw)).write_bytes(b"x\n")
    path = decode_path(raw)
    file = ChangeSet(ChangeRef("range"), (FileChange(path, "added", new_mode="100644"),))
    report = bench.script("show {files}").run(file, Known({path: b"x\n"}))
    assert [f.path for f in report.findings] == [path]
