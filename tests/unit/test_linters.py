"""The catalogue of linters: every row is sound, and its linter's real output becomes the expected findings.

A case is a folder tests/cases/linters/NAME with `output`, what that linter printed (run in /repo), and `expected.json`.
Make the expectations anew after a wanted change: LOOM_GOLDEN=write .venv/bin/pytest tests/unit/test_linters.py
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from support.changes import change
from support.data import ROOT

from loom.analyzers import formats
from loom.analyzers.base import Report
from loom.analyzers.formats.base import Parsed, Reading
from loom.analyzers.linter_choice import Places, folders_above
from loom.analyzers.linter_file import Linter, catalogue, read
from loom.analyzers.linters import LinterRun, Place, Settings, Where, dressed
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity

CASES = ROOT / "tests" / "cases" / "linters"
WRITE = os.environ.get("LOOM_GOLDEN") == "write"  # read here: the tests themselves run without LOOM_ variables
OUTPUTS = sorted(path for path in CASES.iterdir() if path.is_dir())
ROWS = list(catalogue().values())


def parsed(row: Linter, output: bytes) -> Parsed:
    reading = Reading(root=Path("/repo"), severity_map=row.severity, pattern=row.pattern)
    return formats.parse(row.format, output, reading)


def plain(finding: RawFinding) -> dict[str, object]:
    values = asdict(finding) | {"severity": finding.severity.value if finding.severity else None}
    return {key: value for key, value in values.items() if value not in (None, "new", "other")}


@pytest.mark.parametrize("case", OUTPUTS, ids=lambda path: path.name)
def test_the_real_output_of_a_linter_becomes_these_findings(case: Path) -> None:
    row = catalogue()[case.name]
    found = parsed(row, (case / "output").read_bytes())
    text = json.dumps([plain(dressed(finding, row)) for finding in found.findings], indent=1, ensure_ascii=False) + "\n"
    if WRITE:
        (case / "expected.json").write_text(text)
    assert text == (case / "expected.json").read_text()
    assert found.findings
    assert not found.problems


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_sound(row: Linter) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", row.name)
    assert row.format in formats.FORMATS
    assert row.docs.startswith("https://")
    assert row.rule_url is None or row.rule_url.startswith("https://")
    assert 0 not in row.findings
    assert sum("{files}" in word for word in row.command) <= 1
    assert not any(" " in word for word in (row.program, *row.local))
    assert {*row.runs_code} <= {*row.config}
    assert all(not place.startswith(("/", "..")) for place in row.local)
    assert (row.format == "regex") == (row.pattern is not None)
    assert row.version[0] == row.program


@pytest.mark.parametrize("row", [row for row in ROWS if row.checked], ids=lambda row: row.name)
def test_a_row_that_says_it_was_run_has_the_output_of_that_run(row: Linter) -> None:
    assert (CASES / row.name / "output").is_file()


GOOD = """
[x]
title = "X"
docs = "https://x.example/"
files = ["*.x"]
command = ["x", "{files}"]
format = "text"
configured_by = ["x.toml"]
install = "get x"
version = ["x", "--version"]
"""


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (GOOD + 'colour = "no"\n', "[x] colour: unknown key"),
        (GOOD.replace('install = "get x"\n', ""), "[x] install is missing"),
        (GOOD + 'findings = ["1"]\n', "[x] findings: ['1'] is not tuple[int, ...]"),
        (GOOD + 'stream = "none"\n', "[x] stream: 'none' is not stdout or stderr or both"),
        (GOOD.replace('["*.x"]', '"*.x"'), "[x] files: '*.x' is not tuple[str, ...]"),
        (GOOD + 'severity = {a = "fatal"}\n', "'fatal' is not a valid Severity"),
        (GOOD.replace("[x]", "[auto]"), "[auto] is not a linter"),
    ],
)
def test_a_row_with_a_mistake_is_refused_by_name(row: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read(row)


# -- which are configured, and where ----------------------------------------------------------------------------------


def places(**files: str) -> Places:
    """Folders of a repository with these files."""

    def names(folder: str) -> set[str]:
        below = "" if folder == "." else f"{folder}/"
        return {path.removeprefix(below).partition("/")[0] for path in files if path.startswith(below)}

    return Places(names, lambda path: files[path].encode() if path in files else None)


def row(**given: object) -> Linter:
    return replace(read(GOOD)["x"], **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("configured_by", "files", "config"),
    [
        ("x.toml", {"x.toml": ""}, "x.toml"),
        (".x*", {".xrc.json": ""}, ".xrc.json"),
        ("pyproject.toml: [tool.x", {"pyproject.toml": "[tool.x]"}, "pyproject.toml"),
        ("conf/x.yml", {"conf/x.yml": ""}, "conf/x.yml"),
        ("conf/*.yml: uses x", {"conf/a.yml": "", "conf/b.yml": "uses x"}, "conf/b.yml"),
        (".x", {".x/rules.yml": ""}, ".x"),
    ],
)
def test_a_file_or_what_stands_in_it_configures_a_linter(
    configured_by: str, files: dict[str, str], config: str
) -> None:
    linter = row(configured_by=(configured_by,), config=(configured_by.partition(": ")[0],))
    assert places(**files).configured(linter, ["."]) == {".": config}
    below = {f"web/{path}": text for path, text in files.items()}
    assert places(**below).configured(linter, [".", "web"]) == {"web": config}


@pytest.mark.parametrize("files", [{"y.toml": ""}, {"pyproject.toml": "[tool.y]"}, {"deep/x.toml": ""}, {}])
def test_other_files_do_not(files: dict[str, str]) -> None:
    assert places(**files).configured(row(configured_by=("x.toml", "pyproject.toml: [tool.x")), ["."]) == {}


def test_a_file_that_only_mentions_a_linter_is_not_its_configuration() -> None:
    linter = row(configured_by=(".pre-commit-config.yaml: id: x", "x.toml"), config=("x.toml",))
    hook = {".pre-commit-config.yaml": "- id: x"}
    assert places(**hook).configured(linter, ["."]) == {".": None}
    assert places(**hook, **{"x.toml": ""}).configured(linter, ["."]) == {".": "x.toml"}


def test_the_folders_that_count_are_those_above_the_changed_files() -> None:
    assert folders_above(["a/b/c.py", "a/d.py", "e.py"]) == (".", "a", "a/b")
    assert folders_above([]) == (".",)


# -- one run ----------------------------------------------------------------------------------------------------------


class Bench:
    """A checkout, and a program `x` outside of it that plays a linter."""

    def __init__(self, tmp: Path, script: str) -> None:
        self.root, self.bin = tmp / "repo", tmp / "bin"
        for folder in (self.root, self.bin):
            folder.mkdir()
        program = self.bin / "x"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def report(self, linter: Linter, *, folders: dict[str, Place] | None = None, **files: str) -> Report:
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        where = Where(root=self.root, environ={"PATH": f"{self.bin}:/usr/bin:/bin"}, folders=folders or {".": Place()})
        about, known = change(files)
        return LinterRun(linter, where, Settings(name="linter/x", timeout_s=5)).run(about, known)


def test_a_linter_gets_the_files_of_its_kind_and_its_configuration(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'for f in "$@"; do echo "$f:1: told"; done')
    linter = row(command=("x", "--config={config}", "{files}"))
    with_it = bench.report(linter, folders={".": Place("x.toml")}, **{"a.x": "1\n", "b.y": "1\n", "d/c.x": "1\n"})
    assert [f.path for f in with_it.findings] == ["--config=x.toml", "a.x", "d/c.x"]
    without = bench.report(linter, **{"a.x": "1\n"})
    assert [f.path for f in without.findings] == ["a.x"]


def test_its_findings_carry_what_the_row_knows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'echo "a.x:1: warning: worse [R12]"; echo "a.x:1: told"; exit 1')
    linter = row(
        format="regex",
        pattern=r"^(?P<file>[^:]+):(?P<line>\d+): (?:(?P<severity>warning): )?(?P<message>.+?)(?: \[(?P<rule>\w+)\])?$",
        findings=(1,),
        category="security",
        rule_url="https://x.example/{rule_lower}/{rule}",
        severity={"R1*": Severity.BLOCKER, "R*": Severity.INFO, "*": Severity.INFO},
    )
    first, second = bench.report(linter, **{"a.x": "1\n"}).findings
    assert (first.rule, first.rule_url) == ("R12", "https://x.example/r12/R12")
    assert (first.severity, first.category) == (Severity.BLOCKER, "security")
    assert (second.severity, second.rule_url) == (Severity.INFO, None)


def test_what_goes_to_the_other_stream_is_not_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'echo "a.x:1: told" >&2; echo "a.x:1: said"')
    assert [f.message for f in bench.report(row(stream="stderr"), **{"a.x": "1\n"}).findings] == ["told"]
    assert [f.message for f in bench.report(row(), **{"a.x": "1\n"}).findings] == ["said"]


def test_where_one_folder_fails_the_findings_of_the_others_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, '[ -e bad ] && exit 9; echo "$1:1: told"')
    folders = {"one": Place(), "two": Place()}
    report = bench.report(row(), folders=folders, **{"one/a.x": "1\n", "two/b.x": "1\n", "two/bad": ""})
    assert [f.path for f in report.findings] == ["one/a.x"]
    assert report.not_reviewed == ("two/b.x",)
    assert [notice.slug for notice in report.notices] == ["script-failed"]
    with pytest.raises(ScriptError, match="x ended with exit code 9"):
        bench.report(row(), folders={"two": Place()}, **{"two/b.x": "1\n"})


# -- the real ones ----------------------------------------------------------------------------------------------------

DIRTY = "import os\n\n\ndef total(items: str) -> object:\n    eval(items)\n    return undefined\n"
REAL = {"ruff": ["F401", "F821"], "bandit": ["B307"], "mypy": ["name-defined"], "flake8": ["F401", "F821"]}
REAL |= {"pylint": ["undefined-variable", "unused-import"], "pyright": ["reportUndefinedVariable"]}


@pytest.mark.parametrize("name", REAL)
def test_the_real_linter_finds_what_is_there_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    if shutil.which(name, path=path) is None:
        pytest.skip(f"{name} is not installed")
    (tmp_path / "a.py").write_text(DIRTY)
    about, known = change({"a.py": DIRTY})
    where = Where(root=tmp_path, environ={"PATH": path, "HOME": os.environ["HOME"]}, folders={".": Place()})
    report = LinterRun(catalogue()[name], where, Settings(name=f"linter/{name}")).run(about, known)
    told = [f for f in report.findings if f.rule in REAL[name]]
    assert [f.rule for f in sorted(told, key=lambda f: f.rule or "")] == REAL[name]
    assert all(f.path == "a.py" and f.line and f.rule_url for f in told)
    assert [place.name for place in tmp_path.iterdir()] == ["a.py"]


# What a stranger may put into the configuration of a linter that counts as unable to run code, to have it write.
HOSTILE = {
    "ruff": {
        "ruff.toml": "fix = true\nfix-only = true\nunsafe-fixes = true\nshow-fixes = true\n",
        "a.py": "import os\n",
    },
    "ruff-format": {"ruff.toml": "fix = true\n[format]\nquote-style = 'single'\n", "a.py": 'x =  "a"\n'},
    "pyright": {
        "pyrightconfig.json": '{"venvPath": ".", "venv": "evil", "pythonPath": "evil/bin/python", "createStub": "a"}\n',
        "evil/bin/python": "#!/bin/sh\ntouch ran\n",
        "evil/bin/python3": "#!/bin/sh\ntouch ran\n",
        "evil/pyvenv.cfg": "home = evil/bin\n",
        "evil/lib/python3.12/site-packages/evil.pth": "import os; os.mkdir('ran')\n",
        "a.py": "import os\n",
    },
    "staticcheck": {
        "staticcheck.conf": 'checks = ["all"]\n',
        "go.mod": "module x.example/y\n\ngo 1.19\n",
        "a.go": "package y\n",
    },
    "actionlint": {
        ".github/actionlint.yaml": "shellcheck: ./evil\n",
        ".github/workflows/a.yml": "on: push\njobs: {}\n",
    },
    "semgrep": {
        ".semgrep.yml": "rules:\n- {id: a, pattern: $X == $X, fix: 'True', message: m, languages: [python], "
        "severity: INFO}\n",
        "a.py": "x == x\n",
    },
    "cppcheck": {"cppcheck.cfg": '{"addons": ["evil.py"]}\n', ".cppcheck": "--addon=evil.py\n", "a.c": "int a;\n"},
    "xmllint": {"a.xml": '<!DOCTYPE a SYSTEM "kept"><a/>\n'},
    "bandit": {"bandit.yaml": "skips: []\n", ".bandit": "[bandit]\noutput: kept\nformat: json\n", "a.py": "eval(x)\n"},
    "typos": {"typos.toml": "write-changes = true\n[default]\nwrite-changes = true\n", "a.py": "# teh\n"},
    "yamllint": {".yamllint": "extends: default\noutput: kept\n", "a.yaml": "a:   1\n"},
    "biome": {
        "biome.json": '{"linter": {"rules": {"recommended": true}}}\n',
        "a.js": "var a = 1;\nif (a == 1) debugger;\n",
    },
    "tsc": {
        "tsconfig.json": '{"compilerOptions": {"composite": true, "incremental": true, "tsBuildInfoFile": "kept", '
        '"generateTrace": "trace", "generateCpuProfile": "profile", "declaration": true, "types": []}}\n',
        "a.ts": "export const a: number = 'x';\n",
    },
    "htmlhint": {".htmlhintrc": '{"tagname-lowercase": true, "rulesdir": "."}\n', "a.html": "<P>\n"},
    "markdownlint": {".markdownlint.json": '{"fix": true, "output": "kept"}\n', "a.md": "#a\n\n\n\nb\n"},
    "shellcheck": {".shellcheckrc": "external-sources=true\n", "a.sh": "#!/bin/sh\necho $1\n"},
    "hadolint": {".hadolint.yaml": "output-file: kept\n", "Dockerfile": "FROM debian\n"},
    "zizmor": {"zizmor.yml": "rules: {}\n", "action.yml": "name: a\nruns: {using: composite, steps: []}\n"},
    "gitleaks": {".gitleaks.toml": '[extend]\nuseDefault = true\n[report]\npath = "kept"\n', "a.py": "x = 1\n"},
    "taplo": {"taplo.toml": "[formatting]\nreorder_keys = true\n", "a.toml": "b =   1\na = 1\n"},
    "vulture": {"pyproject.toml": "[tool.vulture]\nmake_whitelist = true\npaths = ['.']\n", "a.py": "import os\n"},
    "cpplint": {"CPPLINT.cfg": "output=junit\nlinelength=80\n", "a.cc": "int  a;\n"},
    "go-vet": {"go.mod": "module x.example/y\n\ngo 1.19\n", "a.go": "package y\n"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_configuration_says_a_linter_changes_nothing(name: str, tmp_path: Path) -> None:
    row = catalogue()[name]
    assert not row.runs_code
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    if shutil.which(row.program, path=path) is None:
        pytest.skip(f"{row.program} is not installed")
    files = {"kept": "as it is\n", **HOSTILE[name]}
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
        (tmp_path / file).chmod(0o755 if content.startswith("#!") else 0o644)
    about, known = change(files)
    where = Where(
        root=tmp_path,
        environ={"PATH": path, "HOME": os.environ["HOME"]},
        folders={".": Place(next(iter(HOSTILE[name])))},
    )
    # A configuration that the linter refuses as a whole did its worst too.
    with contextlib.suppress(ScriptError):
        LinterRun(row, where, Settings(name=f"linter/{name}")).run(about, known)
    left = {p.relative_to(tmp_path).as_posix(): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == files
    assert not (tmp_path / "ran").exists()


# -- the page ---------------------------------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "linters.md"
MARK = "<!-- The rest of this page is made from linters.toml: tests/unit/test_linters.py says how. -->\n\n"


def reference() -> str:
    """The table of all rows."""

    def cells(row: Linter) -> str:
        code = "yes" if row.runs_code else "no"
        files = ", ".join(f"`{pattern}`" for pattern in row.files[:6]) + (" …" if len(row.files) > 6 else "")
        by = ", ".join(f"`{said}`" for said in row.configured_by[:4]) + (" …" if len(row.configured_by) > 4 else "")
        install = row.install if row.install.startswith("https://") else f"`{row.install}`"
        return f"| [`{row.name}`]({row.docs}) | {files} | {by} | {code} | {row.checked or 'no'} | {install} |"

    head = "| linter | files | configured by | runs code | tried | installed with |\n|---|---|---|---|---|---|\n"
    tried = sum(row.checked is not None for row in ROWS)
    counted = (
        f"{len(ROWS)} linters; {tried} of them were run, with the version named; the rest follows the documentation."
    )
    return f"## The catalogue\n\n{counted}\n\n{head}" + "\n".join(map(cells, ROWS)) + "\n"


def test_the_table_of_the_page_is_the_catalogue() -> None:
    head, _, tail = PAGE.read_text("utf-8").partition(MARK)
    if os.environ.get("REGENERATE"):
        PAGE.write_text(head + MARK + reference(), "utf-8")
        tail = reference()
    assert tail == reference(), "REGENERATE=1 pytest tests/unit/test_linters.py brings it up to date"


def test_the_page_explains_every_key_of_a_row() -> None:
    page = PAGE.read_text("utf-8")
    assert [f.name for f in fields(Linter) if f"`{f.name}`" not in page] == ["name"]
