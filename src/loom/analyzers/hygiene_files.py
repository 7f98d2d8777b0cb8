"""builtin/hygiene on whole files: large, binary, executable, brought along, generated ones, and tests that are gone.

Each check takes the change and gives findings; none reads more than it must.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, show_path
from loom.core.finding import Category, RawFinding, Severity
from loom.infra.file_kinds import GENERATED_ENDS, LOCK_FILES, header, is_test, is_vendored, says_generated

LARGE = 1_000_000
"""Bytes. From here on an added file is named; pre-commit's limit of 500 kB would name ordinary pictures."""
HUGE = 5_000_000
"""Bytes. From here on it is a warning, for pictures too: every clone carries it for ever."""
NAMED = 3
"""Files that a finding about many of them names."""

_NEW = ("added", "copied")
_MEDIA = re.compile(
    r"(?i)\.(?:png|jpe?g|gif|webp|avif|ico|icns|bmp|tiff?|psd|svg|pdf|woff2?|ttf|otf|mp[34]|m4a|ogg|wav|webm|mov)$"
)
_COMPILED = re.compile(
    r"(?i)\.(?:exe|dll|so(?:\.\d+)*|dylib|class|py[co]|pyd|o|obj|a|lib|jar|war|ear|apk|aab|ipa|msi|deb|rpm|dmg|iso|node)$"
)
_ARCHIVE = re.compile(r"(?i)\.(?:zip|tar|tgz|gz|bz2|xz|zst|7z|rar|whl|egg|gem|nupkg)$")
# Wrappers that their build tools tell people to commit.
_WANTED = re.compile(r"(?:^|/)(?:gradle/wrapper/gradle-wrapper|\.mvn/wrapper/maven-wrapper)\.jar$")
_MAGIC = (b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"!<arch>\n")
_SAMPLES = re.compile(
    r"(?i)(?:^|/)(?:tests?|testing|test-?data|test_data|specs?|__tests__|fixtures?|corpus|samples?|examples?|e2e)/"
)
_NO_SHEBANG_NEEDED = re.compile(r"(?i)\.(?:bat|cmd|ps1|com|exe|so|dylib|jar|phar|pyz|appimage|run|sh|bash|zsh)$")
_BROUGHT_ALONG = re.compile(
    r"(?:^|.*?/)(?:node_modules|bower_components|\.venv|venv(?=/(?:lib|bin|Scripts)/)|site-packages|__pycache__|\.tox"
    r"|\.gradle|\.terraform|\.mypy_cache|\.pytest_cache|\.ruff_cache|\.nuxt|\.next|\.idea(?=/workspace\.xml))(?=/)"
)
_COMMENT = ("#", "//", "/*", "*", "<!--", "--", ";", "%", '"', "'")
_MARKED = re.compile(r"do not (?:edit|modify)|@generated\b|edits? will be lost")
_SOURCES = re.compile(
    r"(?i)\.(?:proto|graphqls?|gql|thrift|avsc|fbs|idl|xsd|wsdl|g4|y|l|peg|pest|jison|tmpl|tpl|j2|jinja2?|mustache|hbs"
    r"|gotmpl|erb|in|m4|tt|ya?ml|json|toml|sql|resx|ui|qrc|csv|txt)$|(?:^|[/._-])(?:gen|generate|codegen|generator)"
)


def about_files(change: ChangeSet, files: Files) -> Iterator[RawFinding]:
    """All findings of this module, in the order of the change within each check."""
    for file in change.files:
        yield from _large(file, change, files)
        yield from _binary(file, files)
    yield from _executable(change, files)
    yield from _brought_along(change)
    yield from _edited_by_hand(change, files)
    yield from _tests_gone(change)


def _finding(
    path: str, rule: str, severity: Severity, title: str, message: str, *, category: Category = "other"
) -> RawFinding:
    return RawFinding(
        path=path, severity=severity, category=category, rule=f"hygiene/{rule}", title=title, message=message
    )


def _large(file: FileChange, change: ChangeSet, files: Files) -> Iterator[RawFinding]:
    name = posixpath.basename(file.path)
    if file.status not in _NEW or name in LOCK_FILES or file.new_mode in ("120000", "160000") or file.unreadable:
        return
    size = _size(file, change, files)
    if size < (HUGE if _MEDIA.search(file.path) else LARGE):
        return
    shown = f"{size / 1_000_000:.1f} MB" if size < HUGE else f"more than {HUGE // 1_000_000} MB"
    yield _finding(
        file.path,
        "large-file",
        Severity.WARNING if size >= HUGE else Severity.INFO,
        "Large file added",
        f"The file has {shown}, and every clone of the repository carries it from now on, even when it is deleted "
        "later. Keep it in Git LFS, a release or a bucket, or make it where it is needed.",
    )


def _size(file: FileChange, change: ChangeSet, files: Files) -> int:
    """Bytes of an added file. Text is all in the diff; of what no reader takes whole only that it is huge is known."""
    if not file.binary:
        return sum(len(hunk.body) for hunk in file.hunks)
    data = files.head(file.path)
    if data is not None:
        return len(data)
    local = change.ref.source in ("local", "staged", "range")
    return HUGE if local and file.new_mode in ("100644", "100755") else 0


def _binary(file: FileChange, files: Files) -> Iterator[RawFinding]:
    if file.status not in _NEW or _WANTED.search(file.path) or is_vendored(file.path):
        return
    compiled = _COMPILED.search(file.path) is not None and _is_no_text(file)
    archive = _ARCHIVE.search(file.path) is not None and file.binary and not _SAMPLES.search(file.path)
    if not compiled and not archive and file.binary and not _MEDIA.search(file.path):
        compiled = (files.head(file.path) or b"").startswith(_MAGIC)
    if compiled and _SAMPLES.search(file.path) and not file.path.lower().endswith((".pyc", ".pyo")):
        return
    if compiled or archive:
        yield _finding(
            file.path,
            "binary-file",
            Severity.WARNING,
            "Compiled file added" if compiled else "Archive added",
            "Nobody can review what is in it, and it stays in the history for ever. Keep the source, build or download "
            "the file where it is needed (with a checksum), and add it to `.gitignore`.",
        )


def _is_no_text(file: FileChange) -> bool:
    """`lib.a` and `x.so` may also be text (a linker script); `.pyc` may be empty."""
    return file.binary or file.path.lower().endswith((".pyc", ".pyo", ".class"))


def _executable(change: ChangeSet, files: Files) -> Iterator[RawFinding]:
    """One finding for all: a copy through another file system sets the bit on hundreds."""
    paths = [file.path for file in change.files if _is_no_script(file, files)]
    if paths:
        yield _finding(
            paths[0],
            "executable-bit",
            Severity.INFO,
            "Executable bit on a file that is no program",
            f"The mode became 100755, but the file does not begin with `#!`{_and_more(paths)}. "
            "Take the bit off again (`git update-index --chmod=-x`), or add the line that says what runs it.",
        )


def _is_no_script(file: FileChange, files: Files) -> bool:
    if file.new_mode != "100755" or file.old_mode == "100755" or file.status in ("renamed", "deleted"):
        return False
    if _NO_SHEBANG_NEEDED.search(file.path) or file.unreadable:
        return False
    data = files.head(file.path)
    if data is None and file.status == "added" and file.hunks:
        data = file.hunks[0].body.removeprefix(b"+")
    return data is not None and data != b"" and not data.startswith((b"#!", b"\xef\xbb\xbf#!", *_MAGIC))


def _brought_along(change: ChangeSet) -> Iterator[RawFinding]:
    """One finding per folder. Where files of it are changed rather than added, it belongs to the repository."""
    folders: dict[str, list[str]] = {}
    kept: set[str] = set()
    for file in change.files:
        found = _BROUGHT_ALONG.match(file.path)
        if found is None or _SAMPLES.search(found[0] + "/"):
            continue
        folders.setdefault(found[0], []).append(file.path)
        if file.status not in _NEW:
            kept.add(found[0])
    for folder, paths in folders.items():
        if folder in kept or (
            folder.endswith("__pycache__") and all(path.endswith((".pyc", ".pyo")) for path in paths)
        ):
            continue  # the latter are named as compiled files
        yield _finding(
            paths[0],
            "installed-files",
            Severity.WARNING,
            f"Files of {posixpath.basename(folder)}/ added",
            f"{_count(paths)} added below `{show_path(folder)}/`, which a package manager, build or editor fills on "
            "each machine. Take them out (`git rm -r --cached`) and add the folder to `.gitignore`.",
        )


def _edited_by_hand(change: ChangeSet, files: Files) -> Iterator[RawFinding]:
    """Generated files that changed though nothing did that they could come from."""
    modified = [file for file in change.files if file.status == "modified" and file.hunks and not file.binary]
    for file in modified:
        if posixpath.basename(file.path) in LOCK_FILES or is_vendored(file.path):
            continue
        base = files.base(file.base_path)
        if base is None or not _is_generated(file.path, base) or _has_cause(file, base, change, files):
            continue
        line = next(iter(file.added_lines()), None)
        yield RawFinding(
            path=file.path,
            line=line,
            severity=Severity.WARNING,
            category="maintainability",
            rule="hygiene/generated-edited",
            title="Generated file edited by hand",
            message="The file says that it is generated, and nothing that it could be generated from is part of this "
            "change. The next run of the generator will undo the edit. Change its source and generate it again.",
        )


def _is_generated(path: str, base: bytes) -> bool:
    """By the words of generators; a name alone (`x.min.js`) says it too, but only for what has a source beside it."""
    return says_generated(base) and _MARKED.search(header(base)) is not None


def _has_cause(file: FileChange, base: bytes, change: ChangeSet, files: Files) -> bool:
    """Whether the change holds a source, a generator, or a new version of the generator (its line in the header)."""
    head = files.head(file.path)
    if head is None or _comments(head) != _comments(base):
        return True
    told = header(base)
    stem = _stem(file.path)
    for other in change.files:
        if other.path == file.path or is_test(other.path):
            continue
        name = posixpath.basename(other.path).lower()
        if name in told or _stem(other.path) == stem or _SOURCES.search(other.path) or name in _BUILD_FILES:
            return True
        if not _looks_generated(other, files) and _folder(other.path) == _folder(file.path):
            return True  # source and result often lie side by side: `//go:generate` in a file of the package
    return False


_BUILD_FILES = frozenset(
    ("makefile", "justfile", "dockerfile", "go.mod", "build.gradle", "build.gradle.kts", "build.rs")
)


def _comments(data: bytes) -> list[str]:
    """The lines of a header that a generator writes about itself."""
    return [line for line in header(data).splitlines() if line.lstrip().startswith(_COMMENT)]


def _looks_generated(file: FileChange, files: Files) -> bool:
    if file.path.endswith(GENERATED_ENDS):
        return True
    data = files.base(file.base_path) or files.head(file.path)
    return data is not None and says_generated(data)


def _folder(path: str) -> str:
    return posixpath.dirname(path)


def _stem(path: str) -> str:
    """`api` of `gen/api.pb.go`, `api_pb2.py` and `api.proto`."""
    name = posixpath.basename(path).lower()
    for end in GENERATED_ENDS:
        name = name.removesuffix(end.lower())
    return name.partition(".")[0]


def _tests_gone(change: ChangeSet) -> Iterator[RawFinding]:
    """Deleted tests of code that stays. Nothing where as much code goes, or where tests moved under another name."""
    gone = [file for file in change.files if file.status == "deleted" and is_test(file.path)]
    if not gone:
        return
    code = [
        file.path
        for file in change.files
        if file.status == "deleted" and not is_test(file.path) and not _SAMPLES.search(file.path)
    ]
    kept = [file for file in change.files if file.status != "deleted" and is_test(file.path)]
    new = [file for file in kept if file.status in ("added", "copied", "renamed")]
    removed, written = sum(file.deleted for file in gone), sum(file.added for file in kept)
    if len(code) >= len(gone) or (written and written * 2 >= removed):
        return
    stems = {_stem(path) for path in code}
    moved = {posixpath.basename(file.path) for file in new}
    paths = [
        file.path
        for file in gone
        if posixpath.basename(file.path) not in moved and not (_tested_stem(file.path) & stems)
    ]
    if paths:
        yield _finding(
            paths[0],
            "test-deleted",
            Severity.WARNING,
            "Tests deleted" if len(paths) > 1 else "Test file deleted",
            f"The code that it tests stays, and no other tests take its place{_and_more(paths)}. "
            "If what it checked still has to hold, keep the test or move it; if not, say so in the description.",
            category="tests",
        )


def _tested_stem(path: str) -> frozenset[str]:
    """What a test is about by its name: `cart` of `test_cart.py`, `CartTest.java` and `cart.spec.ts`."""
    stem = posixpath.basename(path).partition(".")[0].lower()
    names = {stem.removeprefix("test_").removeprefix("test-")}
    for end in ("_tests", "_test", "_spec", "tests", "test", "spec", "it"):
        names |= {name.removesuffix(end) for name in names if name != end}
    return frozenset(names)


def _count(paths: list[str]) -> str:
    return "1 file was" if len(paths) == 1 else f"{len(paths):,} files were"


def _and_more(paths: list[str]) -> str:
    """` (also a, b, c and 4 more)` for all but the first."""
    rest = paths[1:]
    if not rest:
        return ""
    shown = ", ".join(f"`{show_path(path)}`" for path in rest[:NAMED])
    return f" (also {shown}" + (f" and {len(rest) - NAMED:,} more)" if len(rest) > NAMED else ")")
