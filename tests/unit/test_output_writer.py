"""Where outputs go: the table of formats, `--output FMT:FILE`, the writer and what it knows of a screen."""

from __future__ import annotations

import io
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.results import CASES

from loom import outputs
from loom.cli.app import run
from loom.core.errors import UsageError
from loom.outputs.base import Look, OutputError, check, look_at, write


@pytest.mark.parametrize("name", outputs.FORMATS)
def test_every_format_of_the_table_renders(name: str) -> None:
    text = outputs.output(name)(CASES["clean"], Look())
    assert text.endswith("\n") or (name, text) == ("rdjsonl", "")  # no finding is no line


@pytest.mark.parametrize("name", outputs.FORMATS)
def test_the_same_result_gives_the_same_text(name: str) -> None:
    render = outputs.output(name)
    assert render(CASES["hostile"], Look()) == render(CASES["hostile"], Look())


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'unknown output format "sarfi"\. Did you mean "sarif"\?'):
        outputs.output("sarfi")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("sarif:loom.sarif", ("sarif", Path("loom.sarif"))),
        ("json:out/a:b.json", ("json", Path("out/a:b.json"))),
        ("json:-", ("json", None)),
    ],
)
def test_a_spec_is_a_format_and_a_file(spec: str, expected: tuple[str, Path | None]) -> None:
    assert outputs.parse_spec(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        (
            "sarif",
            '--output sarif: no file named for the format "sarif"',
            "write --output sarif:FILE, or --format sarif to print it",
        ),
        (
            "json: ",
            '--output json: : no file named for the format "json"',
            "write --output json:FILE, or --format json to print it",
        ),
        ("loom.sarif", "--output loom.sarif: the format is missing", "write --output sarif:loom.sarif"),
        ("result.txt", "--output result.txt: the format is missing", "write --output json:result.txt"),
        ("yaml:x", 'unknown output format "yaml".', f"known: {', '.join(sorted(outputs.FORMATS))}"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        outputs.parse_spec(spec)
    assert (caught.value.message, caught.value.hint) == (message, hint)


# ---- the writer


def test_a_file_is_written_whole_and_its_folders_are_made(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "out.txt"
    write("größe\n", target, io.StringIO())
    assert target.read_bytes() == "größe\n".encode()
    assert [p.name for p in target.parent.iterdir()] == ["out.txt"]


def test_a_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    old_umask = os.umask(0o027)
    try:
        write("new", tmp_path / "new", io.StringIO())
        (tmp_path / "old").write_text("old")
        (tmp_path / "old").chmod(0o604)
        write("newer", tmp_path / "old", io.StringIO())
    finally:
        os.umask(old_umask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o604
    assert (tmp_path / "old").read_text() == "newer"


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write("new", tmp_path / "link", io.StringIO())
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_not_replaced() -> None:
    write("x", Path("/dev/null"), io.StringIO())
    assert Path("/dev/null").is_char_device()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    program = (
        "import resource, signal, sys, io, pathlib\n"
        "from loom.outputs.base import write, OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # the disk is "full" after 1,000 bytes
        "try: write('x' * 5000, pathlib.Path(sys.argv[1]), io.StringIO())\n"
        "except OutputError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=True)
    assert done.stdout == f"cannot write {target}: File too large\n"
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("make", ["folder", "file in the way"])
def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path, make: str) -> None:
    target = tmp_path / "x"
    if make == "folder":
        target.mkdir()
        reason = "it is a folder"
    else:
        target.write_text("")
        target, reason = target / "y" / "z.json", f"{target} is not a folder"
    for attempt in (lambda: check(target), lambda: write("text", target, io.StringIO())):
        with pytest.raises(OutputError) as caught:
            attempt()
        assert caught.value.message == f"cannot write {target}: {reason}"
        assert caught.value.hint


def test_checking_changes_nothing(tmp_path: Path) -> None:
    check(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_standard_output_gets_utf8_whatever_the_locale_says() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write("größe ✔\n", None, stream)
    assert raw.getvalue() == "größe ✔\n".encode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(unbuffered: str) -> None:
    program = (
        "import sys\nfrom loom.outputs.base import write\nwrite('line\\n' * 200_000, None, sys.stdout)\nprint('x')"
    )
    argv, environ = [sys.executable, "-c", program], {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b"line\n"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 0


# ---- the screen


def test_a_pipe_has_no_colours_and_is_not_interactive() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert look_at(stream, {}) == Look(colour=False, width=80, unicode=True, interactive=False)


@pytest.mark.parametrize(
    ("environ", "colour", "interactive"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "xterm", "CI": "true"}, False, False),
        ({"TERM": "xterm", "CI": "true", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_a_terminal_is_shown_what_its_environment_asks_for(
    environ: dict[str, str], colour: bool, interactive: bool
) -> None:
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w", encoding="utf-8") as stream:
            assert look_at(stream, {**environ, "COLUMNS": "132"}) == Look(
                colour=colour, width=132, unicode=True, interactive=interactive
            )
    finally:
        os.close(master)


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("ascii", False), ("latin-1", False), ("utf-8", True), ("UTF8", True)]
)
def test_what_the_stream_can_show_follows_from_its_encoding(encoding: str, unicode: bool) -> None:
    assert look_at(io.TextIOWrapper(io.BytesIO(), encoding=encoding), {}).unicode is unicode


@pytest.mark.parametrize(("columns", "width"), [("100", 100), ("0", 80), ("-5", 80), ("many", 80), ("²", 80)])
def test_a_nonsense_width_is_eighty(columns: str, width: int) -> None:
    assert look_at(io.TextIOWrapper(io.BytesIO()), {"COLUMNS": columns}).width == width


def test_a_new_format_is_a_module_with_a_function_and_a_row_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As CONTRIBUTING.md says it is done."""
    (tmp_path / "places_only.py").write_text(
        "def render(result, look):\n"
        "    return ''.join(f'{finding.path}:{finding.line}\\n' for finding in result.findings)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(outputs.FORMATS, "places-only", "places_only:render")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.diff").write_text("--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+assert (1 == 2, 'no')\n")
    run(["review", "--diff", "a.diff", "--format", "places-only", "--pipeline", "rules"])
    assert capsys.readouterr().out == "a.py:1\n"
