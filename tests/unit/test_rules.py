"""The rule engine, and the pack whose examples are its tests."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from support.changes import change
from typer.testing import CliRunner

from loom.analyzers import rule_examples, rule_pack, rules
from loom.analyzers.rules import Rules
from loom.cli import rules_cmd
from loom.core.change import ChangeSet, NoFiles
from loom.core.errors import ConfigError, UsageError
from loom.core.finding import Severity
from loom.infra import syntax

OWN = """\
id: no-print
severity: info
category: style
message: Print left in.
why: It goes to the log of whoever calls.
fix: Use the logger.
references: ["https://example.invalid/print"]
languages: [python]
rule:
  pattern: print($$$ARGS)
rewrite: log.info($$$ARGS)
bad: ["print(1, 2)"]
good: ["log.info(1)"]
"""
PACK = {rule.id: rule for rule in rules.pack()}


def run(head: dict[str, str], base: dict[str, str] | None = None, own: str | None = None) -> rules.Report:
    extra = [("own.yaml", own.encode())] if own else []
    return Rules(extra).run(*change(head, base))


@pytest.mark.parametrize("rule", PACK.values(), ids=PACK)
def test_the_examples_of_a_rule_come_out_as_it_says(rule: rules.Rule) -> None:
    assert rule_examples.failures(rule) == ()


@pytest.mark.parametrize("rule", PACK.values(), ids=PACK)
def test_a_rule_says_why_and_how_and_where_to_read_on(rule: rules.Rule) -> None:
    assert Path(rule.file).stem == rule.id
    assert rule.url is not None
    assert rule.message.endswith(".")
    assert all(variant.bad and variant.good for variant in rule.variants)


def test_the_pack_has_at_least_sixty_facts_in_every_promised_language() -> None:
    assert len(rules.pack()) >= 60
    promised = {
        "python", "javascript", "typescript", "tsx", "go", "java", "kotlin", "ruby", "php", "csharp", "c", "cpp",
        "rust", "bash", "dockerfile", "hcl", "yaml", "sql",
    }  # fmt: skip
    assert promised <= {language for rule in rules.pack() for language in rule.languages}


@pytest.mark.parametrize("entry", rule_pack.entries(), ids=lambda entry: entry.id)
def test_what_a_rule_is_about_can_be_read_from_two_of_its_lines(entry: rule_pack.Entry) -> None:
    told = [(about.languages, about.keywords) for about in entry.about]
    assert told == [(variant.languages, variant.keywords) for variant in entry.rule.variants]
    assert entry.id == entry.rule.id


def test_only_rules_that_a_text_may_need_are_read() -> None:
    read: list[str] = []

    def entry(name: str, keyword: str) -> rule_pack.Entry:
        def load() -> rules.Rule:
            read.append(name)
            return PACK["is-literal"]

        return rule_pack.Entry(name, (rule_pack.About(("python",), (keyword,)),), load)

    catalogue = rule_pack.Catalogue([entry("a", "one"), entry("b", "two")])
    assert not catalogue.knows("go")
    assert [rule.id for rule, _ in catalogue.applicable("one = 1", "python")] == ["is-literal"]
    assert read == ["a"]


def test_a_finding_carries_everything_a_reader_needs() -> None:
    (finding,) = run({"src/cart.py": 'def check(total):\n    assert (total > 0, "empty")  # sure\n'}).findings
    assert finding.path == "src/cart.py"
    assert (finding.line, finding.end_line, finding.column) == (2, 2, 5)
    assert finding.title == "This assertion can never fail."
    assert finding.message.startswith("`assert (condition, message)` tests a tuple")
    assert "Remove the parentheses" in finding.message
    assert finding.quote == '    assert (total > 0, "empty")  # sure'
    assert finding.suggestion == '    assert total > 0, "empty"  # sure'
    assert (finding.severity, finding.category) == (Severity.BLOCKER, "bug")
    assert (finding.rule, finding.rule_url) == ("assert-on-tuple", "https://cwe.mitre.org/data/definitions/571.html")


def test_only_what_the_change_adds_is_reported() -> None:
    base = "import os\n\n\ndef old(a):\n    return a is 1\n"
    head = base + "\n\ndef new(b):\n    return b is 2\n"
    assert [f.line for f in run({"a.py": head}, {"a.py": base}).findings] == [9]
    assert run({"a.py": base}, {"a.py": base}).findings == ()


def test_a_match_over_several_lines_is_reported_where_the_change_touches_it() -> None:
    base = "import subprocess\n\nsubprocess.run(\n    f'tar xf {name}',\n    check=True,\n)\n"
    head = base.replace("check=True,", "check=True,\n    shell=True,")
    (finding,) = run({"a.py": head}, {"a.py": base}).findings
    assert (finding.rule, finding.line, finding.end_line) == ("shell-injection", 6, 6)
    assert finding.quote == "    shell=True,"
    assert finding.column is None


def test_a_rewrite_of_lines_that_are_not_all_new_is_not_suggested() -> None:
    base = "def f(total):\n    assert (\n        total,\n    )\n"
    head = 'def f(total):\n    assert (\n        total,\n        "empty",\n    )\n'
    (finding,) = run({"a.py": head}, {"a.py": base}).findings
    assert finding.suggestion is None
    assert finding.line == 4


def test_a_rewrite_of_several_new_lines_replaces_them_all() -> None:
    (finding,) = run({"a.py": 'if x:\n    assert (\n        total, "empty"\n    )\n'}).findings
    assert (finding.line, finding.end_line) == (2, 4)
    assert finding.suggestion == '    assert total, "empty"'


def test_the_same_fact_twice_on_a_line_is_one_finding() -> None:
    report = run({"a.py": "ok = a is 1 and b is 2\nno = c is 3\n"})
    assert [(f.line, f.rule) for f in report.findings] == [(1, "is-literal"), (2, "is-literal")]


def test_findings_come_in_order_of_files_and_lines() -> None:
    head = {"b.py": "x is 1\nassert (a, 'b')\n", "a.ts": "if (typeof x === 'array') f();\n"}
    assert [(f.path, f.line) for f in run(head).findings] == [("b.py", 1), ("b.py", 2), ("a.ts", 1)]


@pytest.mark.parametrize(
    "path", ["tests/test_a.py", "pkg/test_a.py", "conftest.py", "src/a_test.py", "x/tests/util.py"]
)
def test_what_tests_do_on_purpose_is_not_reported_there(path: str) -> None:
    text = "import requests\nrequests.get(url, verify=False, timeout=3)\nok = x is 1\n"
    assert [f.rule for f in run({path: text}).findings] == ["is-literal"]
    assert len(run({"src/latest.py": text}).findings) == 2


def test_code_that_nobody_wrote_by_hand_is_left_alone_and_named() -> None:
    wrong = "if (typeof x === 'array') f();"
    report = run({"app.min.js": wrong + "g();" * 300, "vendor/lib.js": wrong, "c.js": wrong})
    assert [(f.path, f.rule) for f in report.findings] == [("c.js", "invalid-typeof")]
    assert [n.message for n in report.notices] == [
        "what rules match in lines of more than 400 characters (minified code) is left out: app.min.js"
    ]


def test_files_that_no_rule_knows_and_links_are_left_alone() -> None:
    files, known = change({"a.xyz": "x is 1\n", "a.py": "x is 1\n"})
    link = replace(files.files[1], new_mode="120000")
    assert Rules().run(ChangeSet(files.ref, (files.files[0], link)), known) == rules.Report()


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("db/migrations/7.sql", "write-without-where"),
        ("Dockerfile", "interactive-install"),
        ("deploy/Dockerfile.dev", "interactive-install"),
        ("deploy/app.Dockerfile", "interactive-install"),
        ("infra/main.tf", "public-database"),
        (".github/workflows/ci.yml", "unpinned-action"),
        ("run.sh", "sudo-redirect"),
    ],
)
def test_every_kind_of_file_has_its_rules(path: str, rule: str) -> None:
    variant = next(v for v in PACK[rule].variants if v.paths or syntax.rule_language_of(path) in v.languages)
    assert rule in [finding.rule for finding in run({path: variant.bad[0]}).findings]


def test_a_rule_for_some_paths_is_not_tried_elsewhere() -> None:
    text = PACK["unpinned-action"].variants[0].bad[0]
    assert run({"docs/example.yml": text}).findings == ()


class TestHunksAlone:
    """Where only the diff is known."""

    def run(self, head: str, base: str, path: str = "a.py") -> rules.Report:
        files, _ = change({path: head}, {path: base})
        return Rules().run(files, NoFiles())

    def test_rules_that_need_no_more_run_on_the_new_side_of_a_hunk(self) -> None:
        base = "class A:\n" + "".join(f"    def m{n}(self):\n        return {n}\n" for n in range(20))
        head = base.replace("return 10\n", "if x is 10:\n            pass\n        return 10\n")
        report = self.run(head, base)
        (finding,) = report.findings
        assert head.split("\n")[(finding.line or 0) - 1] == finding.quote == "        if x is 10:"
        assert finding.column == 12
        assert finding.suggestion is None
        assert [notice.slug for notice in report.notices] == ["rules-hunks-only"]

    @pytest.mark.parametrize(
        "around",
        [
            "def f():\n    try:\n        if c:\n            d()\n            d()\n@\n    except E:\n        e()\n",
            "if a:\n    for b in c:\n        d()\n        e()\n        g()\n@\nelse:\n    h()\n",
            "match a:\n    case 1:\n        b()\n        c()\n        d()\n@\n    case 2:\n        e()\n        g()\n",
            "a = (\n    1,\n    2,\n    3,\n    4,\n)\n@\nb = [\n    1,\n    2,\n    3,\n]\n",
            "def f():\n    a()\n    b()\n    c()\n@\n    def g():\n        pass\n",
        ],
    )
    def test_a_hunk_that_begins_and_ends_inside_of_blocks_is_held_together(self, around: str) -> None:
        before = around.split("@")[0].rstrip("\n").split("\n")[-1]
        margin = before[: len(before) - len(before.lstrip())]
        base = "x = 0\n" * 9 + around.replace("@\n", "")
        head = "x = 0\n" * 9 + around.replace("@\n", f"{margin}y = x is 1\n")
        (finding,) = self.run(head, base).findings
        assert finding.quote == f"{margin}y = x is 1"
        assert head.split("\n")[(finding.line or 0) - 1] == finding.quote
        assert finding.column == len(margin) + 5

    def test_tabs_are_kept_in_the_quote(self) -> None:
        base = "function f() {\n" + "\ta();\n" * 9 + "}\n"
        head = base.replace("\ta();\n\ta();\n}", "\tif (typeof x === 'array') a();\n}")
        (finding,) = self.run(head, base, "a.js").findings
        assert finding.quote == "\tif (typeof x === 'array') a();"
        assert finding.column == 6

    def test_a_rule_that_needs_what_is_around_does_not_run(self) -> None:
        text = "import time\n\n\nasync def f():\n    time.sleep(1)\n"
        assert [f.rule for f in run({"a.py": text}).findings] == ["blocking-call-in-async"]
        files, _ = change({"a.py": text})
        assert Rules().run(files, NoFiles()).findings == ()

    def test_prose_is_not_read_as_code(self) -> None:
        base = '"""Long.\n' + "words\n" * 20 + '"""\n'
        assert self.run(base.replace('words\nwords\n"', 'words\nx is 1\n"'), base).findings == ()
        script = "/*\n" + " words\n" * 20 + "*/\n"
        assert self.run(script.replace("words\n*/", "typeof x === 'array'\n*/"), script, "a.js").findings == ()


def test_a_file_nested_beyond_reason_is_not_reviewed_and_named() -> None:
    report = run({"deep.py": "f(" * 5_000 + ")" * 5_000 + "\n", "a.py": "x is 1\n"})
    assert report.not_reviewed == ("deep.py",)
    assert [f.path for f in report.findings] == ["a.py"]


def test_a_very_long_file_is_looked_at_by_its_hunks() -> None:
    base = "x = 1\n" * 100_000
    report = run({"a.py": base + "ok = x is 1\n"}, {"a.py": base})
    assert [f.line for f in report.findings] == [100_001]
    assert [notice.slug for notice in report.notices] == ["rules-hunks-only"]


def test_a_text_the_parser_stumbles_over_does_not_stop_the_others() -> None:
    report = run({"broken.py": "def f(:\n  x is 1\n", "odd.py": "\x00\x01 is 1\n", "a.py": "x is 1\n"})
    assert "a.py" in [f.path for f in report.findings]


class TestOwnRules:
    """A team's rule files."""

    def test_a_teams_rule_runs_beside_the_pack(self) -> None:
        report = run({"a.py": "print(1, 2)\nx is 1\n"}, own=OWN)
        assert [(f.line, f.rule, f.suggestion) for f in report.findings] == [
            (1, "no-print", "log.info(1, 2)"),
            (2, "is-literal", None),
        ]

    @pytest.mark.parametrize(
        ("change_it", "says"),
        [
            (
                ("severity: info", "severity: hint"),
                'own.yaml:2:11: severity: "hint" is not one of blocker, warning, info',
            ),
            (("category: style", "category: styl"), 'Did you mean "style"?'),
            (("id: no-print", "id: No Print"), "own.yaml:1:5: id: an id is lower-case words"),
            (("languages: [python]", "languages: [pyhton]"), 'own.yaml:8:13: languages[0]: "pyhton" is not one of'),
            (("fix: Use the logger.\n", ""), "own.yaml:1:1: fix: `fix` is needed, as text"),
            (("good:", "god:"), 'own.yaml:13:1: god: unknown key. Did you mean "good"?'),
            (("rule:\n  pattern", "rule:\n  patern"), "own.yaml:9: rule for python: unknown field `patern`"),
            (("pattern: print($$$ARGS)", "pattern: a; b"), "Multiple AST nodes"),
            (("https://example.invalid/print", "somewhere"), "a reference is `CWE-123` or an https:// link"),
            (("id: no-print", "id: is-literal"), 'the id "is-literal" is taken by loom/rules/is-literal.yaml'),
            (("id: no-print", "\tid: x"), "own.yaml:1:"),
            (("bad: ", "bad: &x "), "own.yaml:12:"),
            (
                ("rule:\n  pattern: print($$$ARGS)\n", "rule: print\n"),
                "own.yaml:9:7: rule: an ast-grep mapping is needed",
            ),
        ],
    )
    def test_a_file_with_an_error_is_named_with_its_place_and_the_others_run(
        self, change_it: tuple[str, str], says: str
    ) -> None:
        report = run({"a.py": "print(1)\nx is 1\n"}, own=OWN.replace(*change_it))
        assert [f.rule for f in report.findings] == ["is-literal"]
        assert any(says in notice.message for notice in report.notices), report.notices
        assert all(notice.slug == "rule-file" and notice.hint for notice in report.notices)

    def test_a_broken_file_is_a_gap_that_says_nothing_twice(self) -> None:
        wrong = OWN.replace("severity: info", "severity: x").replace("why:", "wy:")
        report = run({"a.py": "print(1)\n"}, own=wrong)
        assert report.gaps == ("1 rule file(s) with errors did not run: own.yaml",)
        assert len(report.notices) == 3
        assert run({"a.py": "print(1)\n"}, own=OWN).gaps == ()

    def test_a_rule_file_that_is_a_link_is_an_error_of_that_file(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_text(OWN)
        folder = tmp_path / "rules"
        folder.mkdir()
        (folder / "own.yaml").write_text(OWN)
        (folder / "linked.yaml").symlink_to(tmp_path / "elsewhere")
        files = rules_cmd.rule_files([folder])
        assert [(Path(name).name, content is None) for name, content in files] == [
            ("linked.yaml", True),
            ("own.yaml", False),
        ]
        loaded, notices = rules.load(files)
        assert "no-print" in {rule.id for rule in loaded}
        assert [notice.message.partition(": ")[2] for notice in notices] == [
            "it cannot be read: a link, a folder, too large, or not permitted"
        ]
        report, well = rules_cmd.run_examples(loaded, notices)
        assert "linked.yaml: it cannot be read" in report
        assert not well

    def test_a_folder_of_rules_that_is_a_link_is_not_followed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "own.yaml").write_text(OWN)
        (tmp_path / ".loom").mkdir()
        (tmp_path / ".loom" / "rules").symlink_to(tmp_path / "elsewhere")
        monkeypatch.chdir(tmp_path)
        assert rules_cmd.rule_files([Path(rules_cmd.OWN_RULES)]) == [(".loom/rules/own.yaml", None)]

    def test_all_errors_of_a_file_are_told_at_once(self) -> None:
        wrong = OWN.replace("severity: info", "severity: x").replace("why:", "wy:").replace("good:", "gut:")
        with pytest.raises(ConfigError) as caught:
            rules.read(wrong.encode(), file="own.yaml")
        assert [problem.key for problem in caught.value.problems] == ["wy", "gut", "why", "severity", "good"]

    def test_variants_say_one_fact_about_several_languages(self) -> None:
        head, _, tail = OWN.partition("languages:")
        first = "\n".join(f"    {line}" for line in f"languages:{tail}".rstrip().split("\n")).lstrip()
        text = f"{head}variants:\n  - {first}\n  - languages: [go]\n    rule: {{pattern: println($A)}}\n"
        text += '    bad: ["package p\\nfunc f() { println(1) }"]\n    good: ["package p"]\n'
        rule = rules.read(text.encode(), file="own.yaml")
        assert rule.languages == ("go", "python")
        assert rule_examples.failures(rule) == ()

    def test_examples_that_do_not_hold_are_told(self) -> None:
        wrong = OWN.replace('["print(1, 2)"]', '["log(1)", "print("]').replace('["log.info(1)"]', '["print(1)"]')
        assert rule_examples.failures(rules.read(wrong.encode(), file="own.yaml")) == (
            "own.yaml: bad example in python is not reported: log(1)",
            "own.yaml: bad example is not python: print(",
            "own.yaml: good example in python is reported: print(1)",
        )


class TestCommand:
    """`loom rules`."""

    def invoke(self, *args: str) -> tuple[int, str, str]:
        app = typer.Typer(rich_markup_mode=None)
        rules_cmd.register(app)
        app.command("other")(lambda: None)
        result = CliRunner().invoke(app, ["rules", *args])
        return result.exit_code, result.stdout, result.stderr

    def test_list_shows_every_rule_on_its_line(self) -> None:
        code, out, _ = self.invoke("list")
        assert code == 0
        assert all(f"{rule.id} " in out and rule.message in out for rule in rules.pack())
        assert out.endswith(f"\n{len(PACK)} rules\n")

    def test_show_tells_all_about_a_rule(self) -> None:
        _, out, _ = self.invoke("show", "raise-not-implemented")
        assert out == (
            "raise-not-implemented (warning, bug; python)\n\n"
            "`NotImplemented` is not an exception.\n\n"
            "Why: Raising it gives a TypeError instead of the error that was meant.\n"
            "Fix: Raise `NotImplementedError`.\n"
            "See: https://docs.python.org/3/library/constants.html#NotImplemented\n\n"
            "Reported (python):\n"
            "    raise NotImplemented\n\n"
            '    raise NotImplemented("later")\n\n'
            "Not reported (python):\n"
            "    raise NotImplementedError\n\n"
            "    return NotImplemented\n\n"
            "Defined in loom/rules/raise-not-implemented.yaml\n"
        )

    def test_show_tells_where_a_rule_is_tried(self) -> None:
        _, out, _ = self.invoke("show", "secret-in-condition")
        assert "\nOnly in (yaml): .github/workflows/*.yml .github/workflows/*.yaml\n" in out

    def test_an_unknown_rule_names_the_nearest(self) -> None:
        with pytest.raises(UsageError, match='Did you mean "is-literal"'):
            rules_cmd.find(rules.pack(), "is-litteral")

    def test_test_runs_the_examples_of_the_pack_and_of_the_teams_files(self, tmp_path: Path) -> None:
        (tmp_path / "own.yaml").write_text(OWN)
        code, out, _ = self.invoke("test", str(tmp_path))
        assert code == 0
        assert out.startswith(f"{len(PACK) + 1} rules, ")
        assert out.endswith("examples: all as they should be\n")

    def test_test_fails_when_an_example_does_not_hold_or_a_file_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "own.yaml").write_text(OWN.replace('["log.info(1)"]', '["print(1)"]'))
        (tmp_path / "worse.yml").write_text("id: x\n")
        code, out, _ = self.invoke("test", str(tmp_path))
        assert code == 2
        assert "own.yaml: good example in python is reported: print(1)" in out
        assert "worse.yml:1:1: severity: `severity` is needed, as text" in out

    def test_a_path_that_cannot_be_read_is_a_usage_error(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"cannot read .*nothing.yaml: No such file"):
            rules_cmd.rule_files([tmp_path / "nothing.yaml"])


def test_nothing_heavy_is_imported_before_a_rule_is_needed() -> None:
    code = (
        "import sys, loom.cli.rules_cmd, loom.analyzers.rules, loom.analyzers.script\n"
        "print(sorted({'yaml', 'ast_grep_py', 're2', 'pydantic', 'rich', 'httpx2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
