"""What is left in code by mistake, as data: one row per debugging aid, focused test or note to oneself.

Only forms that are hardly ever meant to stay. `console.log`, `print` and `fmt.Println` are left out: in most
repositories they are output.
"""

from __future__ import annotations

from dataclasses import dataclass

from loom.core.finding import Category, Severity

_PYTHON = ("py", "pyi", "pyw")
_SCRIPT = ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte")
_RUBY = ("rb", "erb", "rake", "haml", "slim")

_HANGS = (
    "Where nobody sits at a terminal, on a server or in CI, the program hangs or fails here. Remove it before merging."
)
_PRINTS = (
    "It is a debugging aid that prints values, which may be private, into output or logs. Remove it before merging."
)
_ALONE = (
    "Only the tests marked this way run; all others of the file or the whole run are skipped, and the result is still "
    "green. Remove the mark before merging."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One kind of leftover."""

    rule: str
    endings: tuple[str, ...]
    """File name endings it applies to; empty: all text files that are no documentation."""
    pattern: str
    """RE2, on one line."""
    title: str
    message: str
    severity: Severity = Severity.WARNING
    category: Category = "maintainability"
    only_tests: bool = False


def _debugger(endings: tuple[str, ...], pattern: str, title: str, message: str = _HANGS) -> Leftover:
    return Leftover(rule="hygiene/debugger", endings=endings, pattern=pattern, title=title, message=message)


def _dump(endings: tuple[str, ...], pattern: str, title: str) -> Leftover:
    return Leftover(rule="hygiene/debug-output", endings=endings, pattern=pattern, title=title, message=_PRINTS)


def _focus(endings: tuple[str, ...], pattern: str) -> Leftover:
    return Leftover(
        rule="hygiene/focused-test",
        endings=endings,
        pattern=pattern,
        title="Focused test",
        message=_ALONE,
        category="tests",
        only_tests=True,
    )


LEFTOVERS: tuple[Leftover, ...] = (
    # https://docs.python.org/3/library/pdb.html
    _debugger(_PYTHON, r"^\s*(?:if .*:\s*|[^#\"']*;\s*)?breakpoint\(", "Breakpoint left in"),
    _debugger(_PYTHON, r"^[^#\"']*\b(?:i?pdb|pudb|wdb|rpdb|remote_pdb|pytest|bpdb)\.set_trace\(", "Breakpoint left in"),
    _debugger(_PYTHON, r"^\s*(?:import|from) (?:i?pdb|pudb|wdb|rpdb|remote_pdb|bpdb)\b", "Debugger import left in"),
    _debugger(_PYTHON, r"^\s*(?:debugpy\.(?:breakpoint|wait_for_client)|pydevd(?:_pycharm)?\.settrace)\(",
              "Debugger call left in"),
    # https://developer.mozilla.org/docs/Web/JavaScript/Reference/Statements/debugger
    _debugger(_SCRIPT, r"^\s*(?:if\s*\(.*\)\s*\{?\s*)?debugger\s*;?\s*\}?\s*$",
              "`debugger` statement left in",
              "It stops the page for everyone who has the developer tools open. Remove it before merging."),
    _debugger(_SCRIPT, r"^\s*(?:await\s+)?(?:page|cy|browser)\.(?:pause|debug)\(\s*\)", "Test pause left in"),
    _debugger(_RUBY, r"^\s*(?:<%=?\s*)?(?:binding\.(?:pry|irb|break|b|remote_pry)|byebug|debugger)"
              r"\s*(?:%>)?\s*(?:(?:if|unless)\b.*)?(?:#.*)?$", "Breakpoint left in"),
    _debugger(("php", "phtml"), r"^\s*(?:xdebug_break\(\)|eval\(\\?Psy\\sh\(\)\))", "Breakpoint left in"),
    _debugger(("go",), r"^\s*runtime\.Breakpoint\(\)", "Breakpoint left in"),
    _debugger(("cs", "vb"), r"^\s*(?:System\.Diagnostics\.)?Debugger\.(?:Break|Launch)\(\)", "Breakpoint left in"),
    _debugger(("ex", "exs"), r"^\s*(?:require IEx;\s*)?IEx\.pry(?:\(\))?\s*$", "Breakpoint left in"),
    _debugger(("dart",), r"^\s*debugger\(\s*\)\s*;", "Breakpoint left in"),
    _debugger(("r",), r"^\s*browser\(\)\s*$", "Breakpoint left in"),
    _debugger(("jl",), r"^\s*(?:Main\.)?@(?:infiltrate|bp|exfiltrate)\b", "Breakpoint left in"),
    _debugger(("c", "cc", "cpp", "cxx", "h", "hpp"), r"^\s*__debugbreak\(\)\s*;", "Breakpoint left in"),
    _dump(("php", "phtml"), r"^\s*(?:var_dump|dd|ddd|dump|debug_zval_refcount|debug_print_backtrace)\(",
          "Debug output left in"),
    _dump(("rs",), r"^[^/\"]*\bdbg!\s*[\(\[{]", "`dbg!` left in"),
    _dump(("ex", "exs"), r"^\s*(?:\|>\s*)?dbg\(\)?", "`dbg` left in"),
    _dump(_PYTHON, r"^\s*(?:from icecream import ic|import icecream|ic\(.*\)\s*$)", "`icecream` left in"),
    _dump(_SCRIPT, r"^\s*(?:screen|wrapper)\.debug\(", "Debug output left in"),
    _focus(_SCRIPT, r"^\s*(?:describe|context|it|test|suite|specify|bench)(?:\.\w+)*\.only(?:\.each)?\s*[\(`]"),
    _focus(_SCRIPT, r"^\s*(?:fdescribe|fcontext|fit|ftest)\s*\("),
    _focus(("rb",), r"^\s*(?:RSpec\.)?(?:fdescribe|fcontext|fit|fspecify|focus)\b[ (]"
           r"|^\s*(?:describe|context|it|specify)\b.*[, (](?:focus: true|:focus)\b"),
    _focus(("go",), r"^\s*(?:var _ = )?(?:FDescribe|FContext|FIt|FWhen|FSpecify|FDescribeTable|FEntry)\("),
    _focus(("kt", "swift", "groovy"), r"^\s*(?:fdescribe|fcontext|fit)\s*\("),
    Leftover(
        rule="hygiene/do-not-merge",
        endings=(),
        # The words that Google's and Android's presubmit checks look for, and what people write instead.
        pattern=r"(?:#|//|/\*|^\s*\*|--|<!--|;|%).*\b(?:(?i:nocommit)|NOMERGE"
                r"|DO[ _-]?NOT[ _-]?(?:COMMIT|MERGE|SUBMIT|CHECK[ _-]?IN)|DON'?T[ _-](?:COMMIT|MERGE|SUBMIT))\b"
                r"|\b(?:TODO|FIXME|XXX)\b.*\b(?i:do not|don'?t) (?i:commit|merge|submit)\b",
        title="Marked as not to be merged",
        message="A comment on this line says that the change must not be merged as it is. Do what it asks first.",
    ),
)  # fmt: skip

# Files that hardly ever belong into a repository: (pattern of the base name, lower case; rule; severity; title; why).
FILES: tuple[tuple[str, str, Severity, str, str], ...] = (
    (
        r"\.env(?:\.[\w-]+)?|[\w-]+\.env",
        "hygiene/env-file",
        Severity.WARNING,
        "Environment file added",
        "Such files hold the settings and secrets of one machine. Keep it out of the repository (`.gitignore`), commit "
        "a `.env.example` without values instead, and replace every secret that was in it.",
    ),
    (
        r".+\.(?:p12|pfx|jks|keystore|kdbx?|ppk|asc\.key)|id_(?:rsa|dsa|ecdsa|ed25519)|\.htpasswd|\.netrc|\.pgpass"
        r"|\.git-credentials|\.pypirc|\.dockercfg|.+\.p8",
        "hygiene/key-file",
        Severity.WARNING,
        "Key or password file added",
        "Files of this name hold private keys or passwords. If this one does, replace what is in it and keep the file "
        "outside the repository.",
    ),
    (
        r".+\.(?:orig|rej)",
        "hygiene/merge-leftover",
        Severity.WARNING,
        "Leftover of a merge added",
        "Git and patch write such files when a merge or patch does not apply cleanly. Remove it, and check that what "
        "it holds arrived where it belongs.",
    ),
    (
        r"\.ds_store|thumbs\.db|desktop\.ini|.+\.sw[op]"
        r"|.+~|npm-debug\.log.*|yarn-error\.log|hs_err_pid\d+\.log",
        "hygiene/junk-file",
        Severity.INFO,
        "File of an editor, system or tool added",
        "It was made by a program on one machine and is of no use to others. Remove it and add it to `.gitignore`.",
    ),
)

ENV_TEMPLATE = (
    r"\.env[.-](?:example|sample|template|dist|tpl|tmpl|default|defaults|schema|test|ci)(?:\..+)?"
    r"|(?:example|sample|template|default|test)\.env|.+\.(?:example|sample|template)\.env"
)
"""Environment files without secrets, by their names."""
