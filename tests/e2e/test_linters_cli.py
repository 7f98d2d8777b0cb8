"""Linters of the catalogue in a real review, played by small programs on PATH: what they find, whose word decides
whether they run, and what becomes of one that misbehaves."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ran, loom
from support.repos import Repo

from loom.analyzers.linter_file import catalogue

CI = {"CI": "true"}
RUFF = {"ruff.toml": "line-length = 100\n"}
ESLINT = {"eslint.config.js": "export default [];\n", "package.json": "{}\n"}
AUTO = "pipelines:\n  - {name: linters, uses: linter/auto}\n"


def sarif(*places: tuple[str, int]) -> str:
    results = [
        {
            "ruleId": "F821",
            "level": "error",
            "message": {"text": f"Undefined name in line {line}"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": line}}}],
        }
        for path, line in places
    ]
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "ruff"}}, "results": results}]})


class Bench:
    """A repository with a clean first commit, and a folder of programs outside of it."""

    def __init__(self, tmp: Path) -> None:
        self.repo = Repo.init(tmp / "repo")
        self.bin = tmp / "bin"
        self.bin.mkdir()
        git = shutil.which("git")
        assert git is not None
        self.path = os.pathsep.join((str(self.bin), str(Path(git).parent), "/bin"))

    def program(self, name: str, script: str, *, place: Path | None = None) -> Path:
        """A shell script that plays a linter; it notes that it ran, and where."""
        program = (place or self.bin) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$(pwd -P) $*" >> "{self.bin}/{name}.calls"\n{script}\n')
        program.chmod(0o755)
        return program

    def prints(self, name: str, text: str, code: int = 1, *, place: Path | None = None) -> Path:
        printed = self.bin / f"{name}.txt"
        printed.write_text(text)
        return self.program(name, f'cat "{printed}"\nexit {code}', place=place)

    def calls(self, name: str) -> list[str]:
        """Where and with what it was called; taken away."""
        place = self.bin / f"{name}.calls"
        lines = place.read_text().splitlines() if place.exists() else []
        place.unlink(missing_ok=True)
        return lines

    def start(self, **files: str) -> None:
        """The first commit: the configuration, and clean code."""
        self.repo.commit("first", {"a.py": "x = 1\n", "deploy.yml": "a: 1\n", "app.js": "x()\n", **files})

    def change(self) -> None:
        self.repo.write({"a.py": "x = 1\ny = z\n", "deploy.yml": "a: 1\nb: 2\n", "app.js": "x()\ny()\n"})

    def review(self, *flags: str, **env: str) -> tuple[Ran, dict[str, Any]]:
        ran = loom("review", "--format", "json", *flags, cwd=self.repo.root, env={"PATH": self.path, **env})
        assert "Traceback" not in ran.err
        return ran, json.loads(ran.out) if ran.out else {}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def linters(result: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {p["name"]: (p["status"], p["reason"]) for p in result["pipelines"] if p["kind"] == "linter"}


def found(result: dict[str, Any], pipeline: str) -> list[tuple[str, int]]:
    return [(f["path"], f["line"]) for f in result["findings"] if f["pipeline"] == pipeline]


# -- what `linter/auto` stands for ------------------------------------------------------------------------------------


def test_without_a_configuration_the_linters_that_the_repository_configures_run(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.change()
    bench.prints("ruff", sarif(("a.py", 1), ("a.py", 2)))
    ran, result = bench.review()
    assert linters(result) == {"linter/ruff": ("ok", None)}
    [finding] = [f for f in result["findings"] if f["pipeline"] == "linter/ruff"]  # line 1 was there before
    assert (finding["path"], finding["line"], finding["rule"]) == ("a.py", 2, "F821")
    assert finding["rule_url"] == "https://docs.astral.sh/ruff/rules/F821/"
    [call] = bench.calls("ruff")
    assert call.endswith(" a.py")
    assert ran.code == 0


def test_where_nothing_is_configured_no_linter_is_mentioned(bench: Bench) -> None:
    bench.start()
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    ran, result = bench.review()
    assert linters(result) == {}
    assert bench.calls("ruff") == []
    assert ran.code == 0


def test_a_linter_whose_files_are_not_in_the_change_does_not_run(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.repo.write({"deploy.yml": "a: 2\n"})
    bench.prints("ruff", sarif(("a.py", 2)))
    assert linters(bench.review()[1]) == {}
    reason = "no changed file is for it"
    assert linters(bench.review("--pipeline", "linter/ruff")[1]) == {"linter/ruff": ("skipped", reason)}


def test_an_auto_that_somebody_wrote_down_says_when_there_is_nothing_for_it(bench: Bench) -> None:
    bench.start(**{".loom/config.yaml": AUTO})
    bench.change()
    _, result = bench.review()
    assert linters(result) == {"linters": ("skipped", "the repository configures no linter for the changed files")}


def test_a_configured_linter_that_is_missing_is_told_with_how_to_install_it(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.change()
    ran, result = bench.review()
    assert linters(result) == {"linter/ruff": ("skipped", "not installed")}
    assert [p["hint"] for p in result["pipelines"] if p["kind"] == "linter"] == ["pip install ruff"]
    assert (result["outcome"]["complete"], ran.code) == (True, 0)


def test_a_linter_that_the_configuration_names_must_be_there(bench: Bench) -> None:
    bench.start(**{".loom/config.yaml": "pipelines:\n  - {name: lint, uses: linter/ruff}\n"})
    bench.change()
    ran, result = bench.review()
    assert linters(result) == {"lint": ("failed", "not installed")}
    assert [p["hint"] for p in result["pipelines"]] == ["pip install ruff"]
    assert [p["not_reviewed"] for p in result["pipelines"]] == [["a.py"]]
    assert ran.code == 3
    planned = loom("plan", cwd=bench.repo.root, env={"PATH": bench.path})
    assert "not installed" in planned.out
    assert "pip install ruff" in planned.out


def test_a_named_linter_that_has_no_file_need_not_be_there(bench: Bench) -> None:
    bench.start(**{".loom/config.yaml": "pipelines:\n  - {name: lint, uses: linter/ruff}\n"})
    bench.repo.write({"deploy.yml": "a: 2\n"})
    ran, result = bench.review()
    assert linters(result)["lint"][0] == "skipped"
    assert ran.code == 0


GO = {"go.mod": "module x.example/y\n", "Makefile": "lint:\n\tgo vet ./...\n", "a.go": "package y\n"}


@pytest.mark.parametrize(("there", "told"), [(True, ("ok", None)), (False, ("skipped", "not installed"))])
def test_a_launcher_without_its_toolchain_is_no_linter(bench: Bench, there: bool, told: tuple[str, str | None]) -> None:
    bench.start(**GO)
    bench.repo.write({"a.go": "package y\n\nvar x = 1\n"})
    bench.program("go", "exit 0" if there else 'echo "no toolchain" >&2; exit 1')
    _, result = bench.review()
    assert linters(result) == {"linter/go-vet": told}
    asked = bench.calls("go")
    assert [call.split()[-1] for call in asked] == (["version", "./..."] if there else ["version"])


def test_a_diff_that_is_not_applied_is_reviewed_without_the_linters_that_see_only_the_checkout(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.prints("ruff", sarif(("a.py", 2)))
    diff = "--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n x = 1\n+y = z\n"
    (bench.bin / "c.diff").write_text(diff)
    given = ("--diff", str(bench.bin / "c.diff"))
    why = "the checkout holds other versions of the files under review"
    ran, result = bench.review(*given)
    assert linters(result) == {"linter/ruff": ("skipped", why)}
    assert (bench.calls("ruff"), ran.code) == ([], 0)
    bench.change()
    assert linters(bench.review(*given)[1]) == {"linter/ruff": ("ok", None)}


def test_a_name_that_the_catalogue_does_not_have_is_told_with_the_nearest(bench: Bench) -> None:
    bench.start(**{".loom/config.yaml": "pipelines:\n  - {name: lint, uses: linter/ruf}\n"})
    bench.change()
    ran, result = bench.review()
    assert linters(result)["lint"] == ("failed", 'no linter of the catalogue is called "ruf". Did you mean "ruff"?')
    assert ran.code == 3


def test_a_pipeline_of_its_own_says_whether_a_linter_runs(bench: Bench) -> None:
    own = AUTO + "  - {name: style, uses: linter/ruff, enabled: false}\n"
    bench.start(**RUFF, **{".yamllint": "extends: default\n", ".loom/config.yaml": own})
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    bench.prints("yamllint", "deploy.yml:2:1: [error] wrong indentation (indentation)\n")
    assert linters(bench.review()[1]) == {"linter/yamllint": ("ok", None)}


def test_a_part_of_auto_can_be_chosen_and_left_out_by_either_name(bench: Bench) -> None:
    bench.start(**RUFF, **{".yamllint": "extends: default\n"})
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    bench.prints("yamllint", "deploy.yml:2:1: [error] wrong indentation (indentation)\n")
    both = {"linter/ruff", "linter/yamllint"}
    assert set(linters(bench.review()[1])) == both
    assert set(linters(bench.review("--pipeline", "linters")[1])) == both
    assert set(linters(bench.review("--pipeline", "linter/ruff")[1])) == {"linter/ruff"}
    assert set(linters(bench.review("--skip", "linter/ruff")[1])) == {"linter/yamllint"}
    assert linters(bench.review("--skip", "linters")[1]) == {}
    assert linters(bench.review("--skip", "linter/eslint")[1]).keys() == both
    ran, _ = bench.review("--pipeline", "linter/rufff")
    assert ran.code == 2
    assert 'no pipeline is called "linter/rufff". Did you mean "linter/ruff"?' in ran.err


def test_the_settings_of_auto_are_those_of_every_linter_it_stands_for(bench: Bench) -> None:
    own = AUTO.replace("auto}", "auto, severity_map: {F821: blocker}, required: false, exclude_paths: ['*.yml']}")
    bench.start(**RUFF, **{".yamllint": "extends: default\n", ".loom/config.yaml": own})
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    bench.prints("yamllint", "garbage", code=5)
    ran, result = bench.review()
    assert set(linters(result)) == {"linter/ruff"}
    assert [f["severity"] for f in result["findings"]] == ["blocker"]
    assert [p["required"] for p in result["pipelines"]] == [False]
    assert ran.code == 1


def test_a_linter_runs_in_the_folder_that_configures_it(bench: Bench) -> None:
    bench.start(**{"py/ruff.toml": "", "py/deep/b.py": "x = 1\n", "other/c.py": "x = 1\n"})  # nobody configures other/
    bench.repo.write({"py/deep/b.py": "x = z\n", "other/c.py": "x = z\n"})
    bench.prints("ruff", sarif(("deep/b.py", 1)))
    _, result = bench.review("--pipeline", "linters")
    assert found(result, "linter/ruff") == [("py/deep/b.py", 1)]
    calls = bench.calls("ruff")
    assert [call.split()[0] for call in calls] == [str(bench.repo.root / "py")]
    assert [call.split()[-1] for call in calls] == ["deep/b.py"]


def test_an_old_commit_is_reviewed_without_the_linters_that_see_only_the_checkout(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.repo.commit("second", {"a.py": "x = 2\n"})
    bench.repo.commit("third", {"a.py": "x = 3\n"})
    bench.prints("ruff", sarif(("a.py", 1)))
    ran, result = bench.review("--commit", "HEAD~1")
    why = "the checkout holds other versions of the files under review"
    assert linters(result) == {"linter/ruff": ("skipped", why)}
    assert (bench.calls("ruff"), ran.code) == ([], 0)
    assert linters(bench.review("--commit", "HEAD")[1]) == {"linter/ruff": ("ok", None)}


# -- bad linters ------------------------------------------------------------------------------------------------------

MISBEHAVING = {
    "crashes": ("kill -SEGV $$", "ruff was killed by signal 11: it crashed"),
    "garbage": ("echo '{not sarif'; exit 1", "ruff ended with exit code 1: "),
    "nothing": ("exit 1", "ruff ended with exit code 1: "),
    "odd exit": (f"echo '{sarif(('a.py', 2))}'; exit 77", "ruff ended with exit code 77: it could not do its work"),
    "floods": ("head -c 25000000 /dev/zero", "ruff printed more than 20 MB"),
    "hangs": ("sleep 600", "ruff did not end within 1 s"),
}


@pytest.mark.parametrize("kind", MISBEHAVING)
def test_a_linter_that_misbehaves_is_named_and_harms_no_other(bench: Bench, kind: str) -> None:
    script, why = MISBEHAVING[kind]
    timeout = ", timeout: 1" if kind == "hangs" else ""
    own = AUTO.replace("auto}", f"auto{timeout}}}") + "  - {name: secrets, uses: builtin/secrets}\n"
    bench.start(**RUFF, **{".yamllint": "extends: default\n", ".loom/config.yaml": own})
    bench.change()
    bench.program("ruff", script)
    bench.prints("yamllint", "deploy.yml:2:1: [error] wrong indentation (indentation)\n")
    ran, result = bench.review()
    status, reason = linters(result)["linter/ruff"]
    assert status == "failed"
    assert reason is not None
    assert reason.startswith(why)
    assert linters(result)["linter/yamllint"] == ("ok", None)
    assert found(result, "linter/yamllint") == [("deploy.yml", 2)]
    assert [p["not_reviewed"] for p in result["pipelines"] if p["name"] == "linter/ruff"] == [["a.py"]]
    assert ran.code == 3


def test_what_a_linter_says_of_files_outside_the_change_is_dropped(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.change()
    bench.prints("ruff", sarif(("/etc/passwd", 1), ("../up.py", 1), ("gone.py", 1), ("a.py", 2), ("deploy.yml", 1)))
    ran, result = bench.review("--pipeline", "linters")
    assert [(f["path"], f["line"]) for f in result["findings"]] == [("a.py", 2)]
    assert len(result["dropped"]) == 4
    assert ran.code == 0


# -- trust ------------------------------------------------------------------------------------------------------------

NOT_ACCEPTED = "its configuration can run code, and this checkout was not accepted"


def test_a_linter_whose_configuration_can_run_code_waits_for_loom_trust(bench: Bench) -> None:
    bench.start(**RUFF, **ESLINT)
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    bench.prints("eslint", "[]", code=0)
    ran, result = bench.review()
    assert linters(result) == {"linter/ruff": ("ok", None), "linter/eslint": ("skipped", NOT_ACCEPTED)}
    assert (bench.calls("eslint"), ran.code) == ([], 0)
    assert [p["hint"] for p in result["pipelines"] if p["reason"] == NOT_ACCEPTED] == [
        "look at it (`loom trust --show`), then `loom trust`"
    ]
    assert loom("trust", cwd=bench.repo.root, env={"PATH": bench.path}).code == 0
    assert linters(bench.review()[1])["linter/eslint"] == ("ok", None)
    assert len(bench.calls("eslint")) == 1


def test_how_to_accept_a_checkout_is_said_once(bench: Bench) -> None:
    bench.start(**ESLINT, **{"mypy.ini": "[mypy]\n"})
    bench.change()
    _, result = bench.review("--pipeline", "linters")
    assert linters(result) == {"linter/mypy": ("skipped", NOT_ACCEPTED), "linter/eslint": ("skipped", NOT_ACCEPTED)}
    assert [bool(p["hint"]) for p in result["pipelines"]] == [True, False]


def test_a_configuration_that_changed_after_it_was_accepted_is_missed(bench: Bench) -> None:
    bench.start(**RUFF, **ESLINT)
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    bench.prints("eslint", "[]", code=0)
    assert loom("trust", cwd=bench.repo.root, env={"PATH": bench.path}).code == 0
    bench.repo.write({"eslint.config.js": "throw 1;\n"})
    ran, result = bench.review()
    why = "the change touches eslint.config.js, by which it runs code"
    assert linters(result) == {"linter/ruff": ("ok", None), "linter/eslint": ("failed", why)}
    assert (bench.calls("eslint"), ran.code) == ([], 3)


def test_a_linter_that_is_installed_in_the_checkout_runs_only_where_that_was_accepted(bench: Bench) -> None:
    bench.start(**RUFF, **ESLINT, **{".gitignore": "node_modules/\n"})
    bench.change()
    bench.prints("eslint", "[]", code=0, place=bench.repo.root / "node_modules/.bin")
    assert linters(bench.review("--pipeline", "linter/eslint")[1])["linter/eslint"] == ("skipped", NOT_ACCEPTED)
    assert loom("trust", cwd=bench.repo.root, env={"PATH": bench.path}).code == 0
    assert linters(bench.review("--pipeline", "linter/eslint")[1])["linter/eslint"] == ("ok", None)
    assert len(bench.calls("eslint")) == 1
    # In a CI job the checkout is the change: what it installed is not asked.
    bench.repo.branch("feature")
    bench.repo.commit("the change")
    why = "installed only inside the checkout, which was not accepted"
    result = bench.review("--pipeline", "linter/eslint", "--base", "main", **CI)[1]
    assert linters(result) == {"linter/eslint": ("skipped", why)}
    assert bench.calls("eslint") == []


def test_a_linter_that_a_branch_brings_along_never_runs(bench: Bench) -> None:
    bench.start(**RUFF, **ESLINT, **{"node_modules/.bin/eslint": "#!/bin/sh\ntouch ran\n"})
    (bench.repo.root / "node_modules/.bin/eslint").chmod(0o755)
    bench.change()
    assert loom("trust", cwd=bench.repo.root, env={"PATH": bench.path}).code == 0
    _, result = bench.review("--pipeline", "linter/eslint")
    assert linters(result) == {"linter/eslint": ("skipped", "not installed")}
    assert not (bench.repo.root / "ran").exists()


@pytest.mark.parametrize("how", ["a folder in it on PATH", "a link into it on PATH"])
def test_a_program_of_an_unaccepted_checkout_does_not_run_for_a_harmless_linter(bench: Bench, how: str) -> None:
    bench.start(**RUFF)
    bench.change()
    program = bench.prints("ruff", sarif(("a.py", 2)), place=bench.repo.root / "tools")
    path = bench.path
    if how.startswith("a folder"):
        path = f"{program.parent}:{path}"
    else:
        (bench.bin / "ruff").symlink_to(program)
    _, result = bench.review("--pipeline", "linters", PATH=path)
    why = "installed only inside the checkout, which was not accepted"
    assert linters(result) == {"linter/ruff": ("skipped", why)}
    assert bench.calls("ruff") == []


def test_how_to_let_a_program_of_the_checkout_run_is_true(bench: Bench) -> None:
    bench.start(**RUFF, **{".gitignore": ".venv/\n"})
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)), place=bench.repo.root / ".venv" / "bin")
    assert loom("trust", cwd=bench.repo.root, env={"PATH": bench.path}).code == 2  # there is nothing to accept
    [hint] = [p["hint"] for p in bench.review()[1]["pipelines"] if p["kind"] == "linter"]
    assert hint == "install it outside of it; or write a .loom/config.yaml, which can be accepted (`loom trust`)"
    bench.repo.write({".loom/config.yaml": AUTO})
    assert loom("trust", cwd=bench.repo.root, env={"PATH": bench.path}).code == 0
    assert linters(bench.review()[1]) == {"linter/ruff": ("ok", None)}


CAN_RUN = {
    "perlcritic": (".perlcriticrc", "[Documentation::PodSpelling]\nspell_command = ./evil.sh\n", "a.pl"),
    "djlint": (".djlint_rules.yaml", "- rule: {name: T1, message: x, python_module: evil}\n", "a.html"),
    "checkstyle": (
        "checkstyle.xml",
        "<module name='Checker'><property name='cacheFile' value='k'/></module>\n",
        "A.java",
    ),
    "trivy": ("trivy.yaml", "output: kept\n", "a.tf"),
    "swiftlint": (".swiftlint.yml", "write_baseline: kept\n", "a.swift"),
    "vale": (".vale.ini", "StylesPath = s\n[*.xml]\nTransform = t.xsl\n", "a.md"),
}


@pytest.mark.parametrize("name", CAN_RUN)
def test_a_linter_whose_configuration_starts_programs_or_writes_files_waits_for_loom_trust(
    bench: Bench, name: str
) -> None:
    config, text, file = CAN_RUN[name]
    bench.start(**{config: text, "djlint.toml": "", file: ""})
    bench.repo.write({file: "x\n"})
    bench.program(name, "exit 0")
    _, result = bench.review("--pipeline", "linters")
    assert linters(result) == {f"linter/{name}": ("skipped", NOT_ACCEPTED)}
    assert bench.calls(name) == []
    _, result = in_ci(bench, **{config: text + "\n", file: "y\n"})
    assert linters(result)[f"linter/{name}"] == ("failed", f"the change touches {config}, by which it runs code")


def test_a_linter_sees_no_secret_of_the_environment(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.change()
    bench.program("ruff", f"env > {bench.bin}/env.txt; echo '{sarif()}'")
    bench.review(LOOM_API_KEY="k" * 20, GITHUB_TOKEN="t" * 20, EDITOR="vi")
    seen = (bench.bin / "env.txt").read_text()
    assert "PATH=" in seen
    assert not any(name in seen for name in ("LOOM_API_KEY", "GITHUB_TOKEN", "EDITOR"))


def test_variables_of_an_unaccepted_configuration_reach_no_linter(bench: Bench) -> None:
    bench.start(**RUFF, **{".loom/config.yaml": AUTO.replace("auto}", "auto, env: {LD_PRELOAD: ./evil.so}}")})
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    _, result = bench.review()
    why = "it sets variables for a program, and this checkout was not accepted"
    assert linters(result) == {"linter/ruff": ("skipped", why)}
    assert bench.calls("ruff") == []


def test_an_unaccepted_configuration_may_name_a_harmless_linter(bench: Bench) -> None:
    named = "pipelines:\n  - {name: style, uses: linter/ruff}\n  - {name: web, uses: linter/eslint}\n"
    bench.start(**RUFF, **ESLINT, **{".loom/config.yaml": named})
    bench.change()
    bench.prints("ruff", sarif(("a.py", 2)))
    ran, result = bench.review()
    why = "it runs programs, and this checkout was not accepted"
    assert linters(result) == {"style": ("ok", None), "web": ("skipped", why)}
    [notice] = [w["message"] for w in result["warnings"] if w["slug"] == "untrusted-checkout"]
    assert notice == "this checkout was not accepted, so these pipelines do not run: web"
    assert ran.code == 0


def in_ci(bench: Bench, **files: str | None) -> tuple[Ran, dict[str, Any]]:
    """A pull request with the usual change and these files (None: removed), reviewed against main."""
    bench.repo.branch("feature")
    bench.change()
    for path, content in files.items():
        if content is None:
            (bench.repo.root / path).unlink()
        else:
            bench.repo.write({path: content})
    bench.repo.commit("the change")
    return bench.review("--base", "main", **CI)


def test_in_ci_a_change_switches_off_no_linter(bench: Bench) -> None:
    bench.start(**RUFF)
    bench.prints("ruff", sarif(("a.py", 2)))
    ran, result = in_ci(bench, **{"ruff.toml": None})
    assert linters(result) == {"linter/ruff": ("ok", None)}
    assert found(result, "linter/ruff") == [("a.py", 2)]
    assert [w["message"] for w in result["warnings"] if w["slug"] == "linter-steered"] == [
        "the change touches ruff.toml, which the linter goes by"
    ]
    assert ran.code == 0


def test_in_ci_a_change_switches_on_no_linter(bench: Bench) -> None:
    bench.start()
    bench.prints("ruff", sarif(("a.py", 2)))
    _, result = in_ci(bench, **RUFF)
    assert linters(result) == {}


@pytest.mark.parametrize("path", ["eslint.config.js", "web/.eslintrc.json", "node_modules/eslint-plugin-x/index.js"])
def test_in_ci_a_change_of_what_a_linter_runs_fails_that_linter_only(bench: Bench, path: str) -> None:
    bench.start(**RUFF, **ESLINT)
    bench.prints("ruff", sarif(("a.py", 2)))
    bench.prints("eslint", "[]", code=0)
    ran, result = in_ci(bench, **{path: "throw 1;\n"})
    why = f"the change touches {path}, by which it runs code"
    assert linters(result) == {"linter/ruff": ("ok", None), "linter/eslint": ("failed", why)}
    assert (bench.calls("eslint"), ran.code) == ([], 3)


def test_in_ci_a_linter_runs_code_of_a_configuration_that_went_through_review(bench: Bench) -> None:
    bench.start(**ESLINT)
    bench.prints("eslint", "[]", code=0)
    assert linters(in_ci(bench)[1]) == {"linter/eslint": ("ok", None)}


# -- the commands -----------------------------------------------------------------------------------------------------


def test_the_catalogue_is_listed_with_what_is_installed(bench: Bench) -> None:
    bench.prints("ruff", "")
    ran = loom("linters", "list", cwd=bench.repo.root, env={"PATH": bench.path})
    rows = {line.split()[0]: line.split()[1] for line in ran.out.splitlines()[:-2]}
    assert list(rows) == list(catalogue())
    assert (rows["ruff"], rows["semgrep"]) == ("yes", "-")


def test_a_linter_is_shown_and_a_mistyped_one_named(bench: Bench) -> None:
    ran = loom("linters", "show", "mypy", cwd=bench.repo.root)
    assert "Runs code by:  mypy.ini" in ran.out
    ran = loom("linters", "show", "mypi", cwd=bench.repo.root)
    assert (ran.code, 'there is no linter "mypi". Did you mean "mypy"?' in ran.err) == (2, True)
