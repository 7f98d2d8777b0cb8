"""Child processes get a clean environment, cannot outlive their time, and cannot flood us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from loom.core.errors import ScriptError
from loom.infra import process
from loom.infra.process import child_env, looks_secret, resolve, run

ENV = {"PATH": os.environ["PATH"]}


def python(code: str, tmp_path: Path, **options: object) -> process.Completed:
    settings: dict[str, object] = {"cwd": tmp_path, "env": ENV, "timeout_s": 60}
    return run([sys.executable, "-I", "-c", code], **(settings | options))  # type: ignore[arg-type]


def wait_gone(pid: int) -> None:
    """Until the process is gone; a zombie that nobody reaps counts."""
    try:
        child = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    while True:
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                return
            child.wait(timeout=0.05)
            return
        except psutil.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            return


def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    done = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert not done.timed_out
    assert not done.truncated


def test_a_child_sees_only_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOM_API_KEY", "inherited")
    done = python("import os; print(sorted(os.environ))", tmp_path, env={"ONLY": "this"})
    names = set(eval(done.stdout))
    assert names - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == {"ONLY"}


def test_no_file_of_ours_is_open_in_a_child(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        done = python(
            f"import os\ntry: os.fstat({file.fileno()}); print('open')\nexcept OSError: print('closed')", tmp_path
        )
    assert done.stdout == b"closed\n"


def test_input_is_fed_and_without_it_there_is_an_end_at_once(tmp_path: Path) -> None:
    echo = "import sys; sys.stdout.write(sys.stdin.read())"
    assert python(echo, tmp_path, stdin=b"x" * 1_000_000).stdout == b"x" * 1_000_000
    assert python(echo, tmp_path).stdout == b""
    assert python("print('never reads')", tmp_path, stdin=b"x" * 1_000_000).stdout == b"never reads\n"


def test_more_output_than_allowed_is_cut_and_does_not_block_the_child(tmp_path: Path) -> None:
    code = "import sys\nfor s in (sys.stdout, sys.stderr): s.write('x' * 3_000_000)\nsys.exit(5)"
    done = python(code, tmp_path, max_output=1000)
    assert (done.returncode, len(done.stdout), len(done.stderr)) == (5, 1000, 1000)
    assert done.truncated
    assert not python("print('x' * 999)", tmp_path, max_output=1000).truncated


def test_when_time_is_up_the_whole_group_is_killed_and_what_was_said_is_kept(tmp_path: Path) -> None:
    done = run(["sh", "-c", "sleep 600 & echo $!; wait"], cwd=tmp_path, env=ENV, timeout_s=1)
    assert done.timed_out
    assert done.returncode == -signal.SIGKILL
    wait_gone(int(done.stdout))


def test_what_a_child_leaves_behind_is_killed_and_not_waited_for(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)"
    )
    done = python(code, tmp_path)
    assert (done.returncode, done.timed_out) == (0, False)
    wait_gone(int(done.stdout))


def test_a_child_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    done = python("import os; os.close(1); os.close(2); sum(range(5_000_000)); os._exit(7)", tmp_path)
    assert done.returncode == 7


def test_stop_all_ends_what_runs_in_other_threads(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    results: list[process.Completed] = []
    code = f"import time; open({str(started)!r}, 'w').close(); time.sleep(600)"
    thread = threading.Thread(target=lambda: results.append(python(code, tmp_path, timeout_s=600)))
    thread.start()
    started.open().close()  # waits for the child to be there
    process.stop_all()
    thread.join(60)
    assert [(done.returncode, done.timed_out) for done in results] == [(-signal.SIGKILL, False)]


def test_work_that_was_stopped_starts_nothing_more_and_later_work_does(tmp_path: Path) -> None:
    before = process.stops()
    process.stop_all()
    with pytest.raises(ScriptError, match="interrupted") as caught:
        python("open('ran', 'w')", tmp_path, since=before)
    assert caught.value.slug == "script-stopped"
    assert not (tmp_path / "ran").exists()
    assert python("pass", tmp_path, since=process.stops()).returncode == 0
    assert python("pass", tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["no-such-program-here", "/no/such/program", "./nothing"])
def test_a_program_that_is_not_there_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScriptError, match=name) as caught:
        run([name], cwd=tmp_path, env=ENV, timeout_s=5)
    assert caught.value.slug == "not-found"
    assert caught.value.hint


def test_a_program_that_cannot_be_run_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    (tmp_path / "lost").write_text("#!/no/such/interpreter\n")
    (tmp_path / "lost").chmod(0o755)
    for name in ("plain", "lost"):
        with pytest.raises(ScriptError) as caught:
            run([str(tmp_path / name)], cwd=tmp_path, env=ENV, timeout_s=5)
        assert caught.value.slug == "not-executable"
    with pytest.raises(ScriptError, match="null byte"):
        run([sys.executable, "a\0b"], cwd=tmp_path, env=ENV, timeout_s=5)


def test_a_missing_working_directory_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"directory .*nowhere does not exist"):
        run([sys.executable], cwd=tmp_path / "nowhere", env=ENV, timeout_s=5)


@pytest.mark.skipif(sys.platform != "linux", reason="limits on children are set on Linux only")
def test_a_child_leaves_no_core_dump(tmp_path: Path) -> None:
    code = "import resource, sys; sys.stdin.read(); print(resource.getrlimit(resource.RLIMIT_CORE))"
    assert python(code, tmp_path, stdin=b"").stdout == b"(0, 0)\n"


# -- environment ------------------------------------------------------------------------------------------------------


def test_secrets_never_reach_a_child_even_when_asked_for() -> None:
    environ = {
        "PATH": "/bin", "HOME": "/home/u", "CI": "true", "LANG": "C", "EDITOR": "vi", "NODE_ENV": "test",
        "LOOM_API_KEY": "s", "GITHUB_TOKEN": "s", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s", "CI_JOB_TOKEN": "s",
        "SYSTEM_ACCESSTOKEN": "s", "aws_secret_access_key": "s", "DB_PASSWORD": "s", "GITLAB_PAT": "s",
        "PGPASSFILE": "s",
    }  # fmt: skip
    env = child_env(environ, allow=[*environ], extra={"MY_KEY": "written by whoever configures"})
    assert env == {
        "PATH": "/bin", "HOME": "/home/u", "CI": "true", "LANG": "C", "EDITOR": "vi", "NODE_ENV": "test",
        "MY_KEY": "written by whoever configures",
    }  # fmt: skip
    assert child_env(environ) == {"PATH": "/bin", "HOME": "/home/u", "CI": "true", "LANG": "C"}


@pytest.mark.parametrize("name", ["PATH", "HOME", "PATTERN", "AUTHOR", "PWD", "TERM", "OLDPWD", "COMPATIBILITY"])
def test_ordinary_names_do_not_look_secret(name: str) -> None:
    assert looks_secret(name) is (name == "PWD")  # a lone PWD is left out too: it would show where we run


KEEPER = """
import ctypes, os, sys
sys.path.insert(0, sys.argv[1])
from loom.infra.process import protect_environment
if os.getuid() == 0:  # root may read everything: be nobody
    os.setgid(65534)
    os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # the change of user protected us already: undo that
if sys.argv[2] == "protected":
    assert protect_environment()
if os.fork() == 0:  # another process of the same user, as a linter is
    try:
        with open(f"/proc/{os.getppid()}/environ", "rb") as file:
            print("hunter2" in file.read().decode(), flush=True)
    except PermissionError:
        print("denied", flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(("mode", "shown"), [("open", b"True\n"), ("protected", b"denied\n")])
def test_only_a_protected_process_hides_its_environment(mode: str, shown: bytes) -> None:
    source = str(Path(process.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", KEEPER, source, mode], capture_output=True, env={"LOOM_API_KEY": "hunter2"}, check=False
    )
    assert (done.stdout, done.stderr) == (shown, b"")


# -- finding programs -------------------------------------------------------------------------------------------------


def program(place: Path, content: str = "#!/bin/sh\necho hello\n") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(0o755)
    return place


def test_a_program_is_found_outside_the_checkout_only(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    inside = program(checkout / "bin/tool")
    outside = program(tmp_path / "usr/bin/tool")
    path = os.pathsep.join([str(inside.parent), "", ".", "relative", str(outside.parent)])
    assert resolve("tool", path=path, outside=checkout) == str(outside)
    assert resolve("tool", path=path, outside=None) == str(inside)


def test_a_link_that_leads_into_the_checkout_does_not_count(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    inside = program(checkout / "bin/tool")
    elsewhere = tmp_path / "usr/bin"
    elsewhere.mkdir(parents=True)
    (elsewhere / "tool").symlink_to(inside)
    (checkout / "python").symlink_to(sys.executable)
    for name, path in (("tool", str(elsewhere)), ("python", str(checkout)), (str(inside), ""), ("./bin/tool", "")):
        with pytest.raises(ScriptError) as caught:
            resolve(name, path=path, outside=checkout)
        assert caught.value.slug == "not-found"


def test_a_file_that_is_not_executable_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/tool").write_text("text")
    found = program(tmp_path / "b/tool")
    assert resolve("tool", path=f"{tmp_path}/a{os.pathsep}{tmp_path}/b", outside=None) == str(found)


def test_a_program_that_prints_without_end_is_ended_at_the_cap(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"]}
    done = process.run(
        ["sh", "-c", "yes"], cwd=tmp_path, env=env, timeout_s=3_600, max_output=10_000, stop_when_full=True
    )
    assert (done.truncated, done.timed_out, len(done.stdout)) == (True, False, 10_000)
