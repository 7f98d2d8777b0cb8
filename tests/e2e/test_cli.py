"""`loom` as its users meet it: what is printed where, and the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import loom
from support.fake_model import FakeModel
from support.repos import Repo

BEFORE = "def total(items, code):\n    return sum(items) * RATES.get(code, 1)\n"
AFTER = "def total(items, code, seen=[]):\n    seen.append(code)\n    return sum(items) * RATES[code]\n"
REPLY = {
    "summary": "Reviewed.",
    "coverage": ["cart.py#1"],
    "findings": [
        {
            "path": "cart.py", "line": 3, "end_line": 3, "side": "new", "severity": "blocker", "category": "bug",
            "title": "An unknown code raises KeyError", "message": "RATES.get() was replaced by RATES[].",
            "quote": "return sum(items) * RATES[code]", "suggestion": "    return sum(items) * RATES.get(code, 1)",
            "confidence": 0.9, "rule": None,
        }
    ],
}  # fmt: skip


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """One commit, and a change in the working tree that shares a list between calls."""
    made = Repo.init(tmp_path / "repo")
    made.commit("first", {"cart.py": BEFORE})
    made.write({"cart.py": AFTER})
    return made


def scripted(repo: Repo, *, pipelines: str = "  - {name: review}\n", reply: object = REPLY) -> Repo:
    """A configuration whose model answers from a file, committed so that it is not part of the change."""
    config = f"models:\n  default: {{provider: scripted, model: replies.json}}\npipelines:\n{pipelines}"
    repo.git("stash", "-q")
    repo.commit("configure", {".loom/config.yaml": config, ".loom/replies.json": json.dumps([{"reply": reply}])})
    repo.git("stash", "pop", "-q")
    return repo


# -- a review ---------------------------------------------------------------------------------------------------------


def test_without_any_configuration_the_analyzers_review_the_working_tree(repo: Repo) -> None:
    ran = loom("review", cwd=repo.root)
    assert "cart.py:1" in ran.out
    assert "mutable-default-argument" in ran.out
    assert ran.code == 0
    assert "Traceback" not in ran.err


def test_a_model_pipeline_joins_in(repo: Repo) -> None:
    ran = loom("review", "--format", "json", cwd=scripted(repo).root)
    result = json.loads(ran.out)
    assert [(f["path"], f["line"], f["anchor"]) for f in result["findings"]] == [("cart.py", 3, "exact")]
    assert result["findings"][0]["suggestion"]["committable"] is True
    assert result["outcome"] == {
        "ran": True, "complete": True, "blocking": False, "delivered": None, "skipped": None, "exit_code": 0,
    }  # fmt: skip
    assert ran.code == 0


def test_fail_on_sets_the_bar_for_models_too(repo: Repo) -> None:
    assert loom("review", "--fail-on", "blocker", cwd=scripted(repo).root).code == 1
    assert loom("review", "--fail-on", "never", cwd=repo.root).code == 0


def test_several_outputs_at_once(repo: Repo, tmp_path: Path) -> None:
    ran = loom("review", "--output", f"sarif:{tmp_path}/out/loom.sarif", "--output", "markdown:loom.md", cwd=repo.root)
    assert json.loads((tmp_path / "out" / "loom.sarif").read_text())["version"] == "2.1.0"
    assert "mutable-default-argument" in (repo.root / "loom.md").read_text()
    assert "cart.py:1" in ran.out


@pytest.mark.parametrize(
    ("flags", "source"),
    [
        (["--staged"], "staged"),
        (["--commit", "HEAD"], "range"),
        (["--base", "HEAD~1"], "range"),
        (["--local"], "local"),
    ],
)
def test_every_source_finds_the_same_bug(repo: Repo, flags: list[str], source: str) -> None:
    repo.git("add", "-A")
    if source == "range":
        repo.commit("change")
    ran = loom("review", *flags, "--format", "json", cwd=repo.root)
    result = json.loads(ran.out)
    assert result["change"]["source"] == source
    assert [f["rule"] for f in result["findings"]] == ["mutable-default-argument"]


def test_a_diff_on_stdin_needs_no_repository(repo: Repo, tmp_path: Path) -> None:
    diff = repo.git("diff").encode()
    bare = tmp_path / "elsewhere"
    bare.mkdir()
    ran = loom("review", "--diff", "-", cwd=bare, stdin=diff)
    assert "mutable-default-argument" in ran.out
    assert ran.code == 0


def test_nothing_changed_is_said_and_fine(repo: Repo) -> None:
    repo.git("checkout", "-q", "--", ".")
    ran = loom("review", cwd=repo.root)
    assert ran.code == 0
    assert "nothing" in ran.out.lower()


def test_the_last_result_can_be_printed_again_in_any_format(repo: Repo) -> None:
    first = json.loads(loom("review", "--format", "json", cwd=repo.root).out)
    again = loom("review", "--last", "--format", "json", cwd=repo.root)
    assert json.loads(again.out) == first


def test_a_finding_is_new_then_open_then_fixed(repo: Repo) -> None:
    def states() -> tuple[list[str], int]:
        result = json.loads(loom("review", "--format", "json", cwd=repo.root).out)
        return [f["state"] for f in result["findings"]], len(result["fixed"])

    assert states() == (["new"], 0)
    assert states() == (["open"], 0)
    repo.write({"cart.py": AFTER.replace("seen=[]", "seen=None")})
    assert states() == ([], 1)


def test_a_narrow_run_in_between_does_not_make_old_findings_new(repo: Repo) -> None:
    repo.write({"other.py": "def f(a=[]):\n    a.append(1)\n"})
    loom("review", cwd=repo.root)
    loom("review", "--paths", "other.py", cwd=repo.root)
    loom("review", "--diff", "-", cwd=repo.root, stdin=repo.git("diff").encode() + b"\n")
    result = json.loads(loom("review", "--format", "json", cwd=repo.root).out)
    assert [(f["path"], f["state"]) for f in result["findings"]] == [("cart.py", "open"), ("other.py", "open")]


def test_paths_and_pipelines_can_be_chosen(repo: Repo) -> None:
    repo.write({"other.py": "def f(a=[]):\n    a.append(1)\n"})
    ran = loom("review", "--paths", "other.py", "--pipeline", "rules", "--format", "json", cwd=repo.root)
    result = json.loads(ran.out)
    assert [f["path"] for f in result["findings"]] == ["other.py"]
    assert [p["name"] for p in result["pipelines"]] == ["rules"]


# -- scripts and trust ------------------------------------------------------------------------------------------------

LINT = "  - {name: lint, run: 'python3 -c \"print(1)\" {files}', parse_output: text}\n"


def test_scripts_of_a_checkout_run_only_after_it_was_accepted(repo: Repo) -> None:
    scripted(repo, pipelines="  - {name: touch, run: 'touch ran-here', parse_output: text}\n")
    before = loom("review", cwd=repo.root)
    assert not (repo.root / "ran-here").exists()
    assert before.code == 0
    assert "loom trust" in before.out + before.err
    assert loom("trust", cwd=repo.root).code == 0
    loom("review", cwd=repo.root)
    assert (repo.root / "ran-here").exists()


def test_accepting_ends_when_the_configuration_changes(repo: Repo) -> None:
    scripted(repo, pipelines="  - {name: touch, run: 'touch ran-here', parse_output: text}\n")
    assert loom("trust", cwd=repo.root).code == 0
    config = (repo.root / ".loom/config.yaml").read_text()
    repo.write({".loom/config.yaml": config.replace("ran-here", "ran-there")})
    loom("review", cwd=repo.root)
    assert not (repo.root / "ran-there").exists()


def test_a_script_sees_no_secret_of_the_job(repo: Repo) -> None:
    scripted(repo, pipelines="  - {name: env, run: \"sh -c 'env > seen.txt'\", parse_output: text}\n")
    loom("trust", cwd=repo.root)
    secrets = {
        "LOOM_API_KEY": "sk-secret-0123456789",
        "GITHUB_TOKEN": "ghs_secret0123456789",
        "MY_PASSWORD": "hunter2hunter2",
    }
    loom("review", cwd=repo.root, env=secrets)
    seen = (repo.root / "seen.txt").read_text()
    assert "PATH=" in seen
    assert not [value for value in secrets.values() if value in seen]


# -- models over HTTP -------------------------------------------------------------------------------------------------


def test_a_local_model_server_is_used_through_the_environment(repo: Repo) -> None:
    with FakeModel(reply=json.dumps(REPLY)) as server:
        env = {"LOOM_MODEL": "some-model", "LOOM_BASE_URL": server.url("openai"), "LOOM_API_KEY": "sk-0123456789abcdef"}
        ran = loom("review", "--format", "json", cwd=repo.root, env=env)
        again = loom("review", "--format", "json", cwd=repo.root, env=env)
        asked = len(server.requests)
    first, second = json.loads(ran.out), json.loads(again.out)
    assert [(f["line"], f["severity"]) for f in first["findings"]] == [(3, "blocker"), (1, "warning")]
    assert asked == 1
    assert (second["usage"]["requests"], second["usage"]["cache_hits"]) == (0, 1)
    assert "sk-0123456789abcdef" not in ran.out + ran.err


def test_a_model_that_cannot_be_reached_never_looks_green(repo: Repo) -> None:
    env = {"LOOM_MODEL": "m", "LOOM_BASE_URL": "http://127.0.0.1:9/v1", "LOOM_API_KEY": "sk-0123456789abcdef"}
    scripted(repo)
    config = "advanced: {max_retries: 0}\npipelines:\n  - {name: review}\n"
    repo.write({".loom/config.yaml": config})
    ran = loom("review", "--pipeline", "review", cwd=repo.root, env=env)
    assert ran.code == 3
    assert "127.0.0.1:9" in ran.out
    assert "sk-0123456789abcdef" not in ran.out + ran.err
    assert loom("review", "--pipeline", "review", "--allow-incomplete", cwd=repo.root, env=env).code == 0


def test_a_missing_key_fails_that_pipeline_and_names_the_variable(repo: Repo) -> None:
    ran = loom("review", cwd=repo.root, env={"LOOM_MODEL": "anthropic/claude-sonnet-5-5"})
    assert ran.code == 3
    assert "ANTHROPIC_API_KEY" in ran.out
    assert "mutable-default-argument" in ran.out


def test_a_key_lying_around_is_no_choice(repo: Repo) -> None:
    ran = loom("review", cwd=repo.root, env={"OPENAI_API_KEY": "sk-0123456789abcdef"})
    assert ran.code == 0
    assert "OPENAI_API_KEY is set, but no model was chosen" in ran.out + ran.err
    assert "sk-0123456789abcdef" not in ran.out + ran.err


def test_offline_allows_loopback_only(repo: Repo) -> None:
    env = {"LOOM_MODEL": "anthropic/claude-sonnet-5-5", "ANTHROPIC_API_KEY": "sk-ant-0123456789"}
    ran = loom("review", "--offline", cwd=repo.root, env=env)
    assert ran.code == 3
    assert "offline" in ran.out


# -- what goes wrong --------------------------------------------------------------------------------------------------

WRONG = {
    "unknown flag": (["review", "--bogus"], 2, "No such option: --bogus"),
    "two sources": (["review", "--staged", "--commit", "HEAD"], 2, "--staged and --commit cannot be used together"),
    "head without base": (["review", "--head", "HEAD"], 2, "--head needs --base"),
    "unknown revision": (["review", "--base", "nope"], 2, "nope"),
    "hostile revision": (["review", "--base", "--output=/tmp/loom-pwned"], 2, ""),
    "unknown level": (["review", "--fail-on", "blokker"], 2, 'Did you mean "blocker"'),
    "unknown format": (["review", "--format", "jsn"], 2, 'Did you mean "json"'),
    "output without file": (["review", "--output", "sarif"], 2, "no file named"),
    "output is a folder": (["review", "--output", "sarif:."], 2, "it is a folder"),
    "two outputs, one file": (["review", "--output", "json:x", "--output", "sarif:x"], 2, "another output goes there"),
    "unknown pipeline": (["review", "--pipeline", "rulse"], 2, 'Did you mean "rules"'),
    "unknown model": (["review", "--model", "gpt-9"], 2, "gpt-9"),
    "no such diff": (["review", "--diff", "nope.diff"], 2, "cannot read the diff nope.diff"),
    "no such configuration": (["review", "--config", "nope.yaml"], 2, "nope.yaml"),
    "no last result": (["review", "--last"], 2, "there is no last result"),
    "empty value": (["review", "--base", ""], 2, "--base is empty"),
    "last and a choice": (["review", "--last", "--fail-on", "info"], 2, "--last prints the last result as it was"),
    "unknown command": (["reviw"], 2, "reviw"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_message_and_exit_2(case: str, repo: Repo) -> None:
    args, code, said = WRONG[case]
    ran = loom(*args, cwd=repo.root)
    assert ran.code == code
    assert said in ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert not Path("/tmp/loom-pwned").exists()


def test_a_wrong_configuration_names_every_error_with_its_place(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "outptu: {}\npipelines:\n  - {name: A B}\n"})
    ran = loom("review", cwd=repo.root)
    assert ran.code == 2
    assert ".loom/config.yaml:1:1" in ran.err
    assert 'Did you mean "output"' in ran.err
    assert ".loom/config.yaml:3" in ran.err


def test_a_prompt_file_that_is_not_there_is_a_configuration_error(repo: Repo) -> None:
    scripted(repo, pipelines="  - {name: review, prompt_file: prompts/none.md}\n")
    ran = loom("review", cwd=repo.root)
    assert ran.code == 2
    assert ".loom/config.yaml:4:" in ran.err
    assert "there is no file .loom/prompts/none.md" in ran.err


def test_a_linter_that_crashes_is_named_and_the_others_go_on(repo: Repo) -> None:
    lint = "  - {name: lint, run: 'python3 -c \"import sys; sys.exit(7)\"', parse_output: json}\n"
    scripted(repo, pipelines=lint + "  - {name: rules, uses: builtin/rules}\n")
    loom("trust", cwd=repo.root)
    ran = loom("review", cwd=repo.root)
    assert ran.code == 3
    assert "lint" in ran.out
    assert "mutable-default-argument" in ran.out


def test_a_review_that_could_not_begin_says_so_in_the_result_file(repo: Repo) -> None:
    repo.write({".loom/config.yaml": "outptu: {}\n"})
    ran = loom("review", "--format", "json", "--output", "json:r.json", "--output", "sarif:r.sarif", cwd=repo.root)
    result = json.loads((repo.root / "r.json").read_text())
    assert (ran.code, ran.out) == (2, "")
    assert (result["outcome"]["ran"], result["outcome"]["exit_code"]) == (False, 2)
    assert "outptu" in result["errors"][0]["message"]
    run = json.loads((repo.root / "r.sarif").read_text())["runs"][0]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_in_ci_the_target_branchs_configuration_counts_not_the_changes(repo: Repo) -> None:
    scripted(repo, pipelines="  - {name: rules, uses: builtin/rules}\noutput: {fail_on: warning}\n")
    base = repo.head()
    weaker = "pipelines: [{name: nothing, uses: builtin/unicode}]\noutput: {fail_on: never}\n"
    repo.commit("weaken", {".loom/config.yaml": weaker})
    ran = loom("review", "--base", base, cwd=repo.root, env={"CI": "true"})
    assert ran.code == 1
    assert "mutable-default-argument" in ran.out
    assert "touches Loom's configuration" in ran.out


def test_a_strangers_configuration_chooses_no_model(repo: Repo) -> None:
    with FakeModel(reply=json.dumps(REPLY)) as server:
        config = f"models: {{default: {{base_url: '{server.url('openai')}', model: m, api_key_env: OPENAI_API_KEY}}}}\n"
        repo.write({".loom/config.yaml": config})
        env = {"OPENAI_API_KEY": "sk-0123456789abcdef"}
        ran = loom("review", cwd=repo.root, env=env)
        assert (ran.code, server.requests) == (0, [])
        assert "loom trust" in ran.out
        loom("trust", cwd=repo.root)
        loom("review", cwd=repo.root, env=env)
        assert len(server.requests) == 1


def test_closed_streams_and_full_disks_are_no_crash(repo: Repo) -> None:
    script = f"{sys.executable} -m loom review >&-; echo $?; {sys.executable} -m loom --version >&-; echo $?"
    ran = subprocess.run(["sh", "-c", script], cwd=repo.root, capture_output=True, text=True, check=False)
    assert (ran.stdout, "Traceback" in ran.stderr) == ("0\n0\n", False)
    loom_ = f"{sys.executable} -m loom"
    full = f"{loom_} review >/dev/full; echo $? >&2; {loom_} review --help >/dev/full; echo $? >&2"
    ran = subprocess.run(["sh", "-c", full], cwd=repo.root, capture_output=True, text=True, check=False)
    assert [line for line in ran.stderr.splitlines() if line.isdigit()] == ["4", "4"]
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("No space left on device") == 2


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"rmdir {gone}; {sys.executable} -m loom review"
    ran = subprocess.run(["sh", "-c", script], cwd=gone, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("loom: error: the current folder cannot be read")


def test_outside_a_repository_the_error_says_what_to_do(tmp_path: Path) -> None:
    ran = loom("review", cwd=tmp_path)
    assert ran.code == 2
    assert "--diff" in ran.err
    assert ran.err.startswith("loom: error: ")


def test_in_a_ci_job_the_change_must_be_named(repo: Repo) -> None:
    ran = loom("review", cwd=repo.root, env={"CI": "true"})
    assert ran.code == 2
    assert "--base" in ran.err


def test_text_that_is_no_diff_is_refused(tmp_path: Path) -> None:
    ran = loom("review", "--diff", "-", cwd=tmp_path, stdin=b"hello\nworld\n")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_an_interrupt_ends_with_130_and_a_partial_result(repo: Repo, tmp_path: Path) -> None:
    with FakeModel(reply=json.dumps(REPLY), latency_s=30) as server:
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "LOOM_MODEL": "m", "LOOM_BASE_URL": server.url("openai"), "LANG": "C.UTF-8",
        }  # fmt: skip
        command = [sys.executable, "-m", "loom", "review", "--format", "json"]
        with subprocess.Popen(command, cwd=repo.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            server.wait_for_request()
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=20)
    result = json.loads(out)
    assert child.returncode == 130
    assert result["outcome"]["exit_code"] == 130
    assert [f["rule"] for f in result["findings"]] == ["mutable-default-argument"]
    assert b"Traceback" not in err


def test_a_secret_in_the_change_is_reported_and_never_printed(repo: Repo) -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    repo.write({"settings.py": f'TOKEN = "{secret}"\n'})
    for form in ("text", "json", "sarif", "markdown"):
        ran = loom("review", "--format", form, cwd=repo.root)
        assert ran.code == 1
        assert "settings.py" in ran.out
        assert secret not in ran.out + ran.err
    kept = b"".join(p.read_bytes() for p in Path(os.environ["HOME"]).rglob("*") if p.is_file())
    assert secret.encode() not in kept


def test_a_rule_of_the_team_that_cannot_be_read_is_a_gap_not_a_green_review(repo: Repo) -> None:
    repo.write({".loom/rules/ours.yaml": "id: ours\nseverity: catastrophic\n"})
    loom("trust", cwd=repo.root)
    ran = loom("review", "--pipeline", "rules", cwd=repo.root)
    assert ran.code == 3
    assert ".loom/rules/ours.yaml:2" in ran.out
    assert "mutable-default-argument" in ran.out


def test_a_configuration_that_is_there_and_cannot_be_read_is_not_no_configuration(repo: Repo, tmp_path: Path) -> None:
    elsewhere = tmp_path / "config.yaml"
    elsewhere.write_text("output: {fail_on: info}\n")
    (repo.root / ".loom").mkdir()
    (repo.root / ".loom/config.yaml").symlink_to(elsewhere)
    ran = loom("review", cwd=repo.root)
    assert ran.code == 2
    assert ".loom/config.yaml: it is there and cannot be read" in ran.err


def test_a_script_never_puts_findings_of_another_version_on_the_lines_under_review(repo: Repo) -> None:
    lint = "  - {name: lint, run: 'printf cart.py:3:found', parse_output: text}\n"
    scripted(repo, pipelines=lint)
    old = repo.commit("the change under review")
    repo.write({"cart.py": "# moved on\n" * 5 + AFTER})
    loom("trust", cwd=repo.root)
    result = json.loads(loom("review", "--commit", old, "--format", "json", cwd=repo.root).out)
    assert result["findings"] == []
    assert result["outcome"]["exit_code"] == 3
    assert result["pipelines"][0]["not_reviewed"] == ["cart.py"]
