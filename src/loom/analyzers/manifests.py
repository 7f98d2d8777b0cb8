"""builtin/hygiene on dependencies: a manifest without its lock file, and a lock file without its manifest."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, decode_text, show_path
from loom.core.finding import RawFinding, Severity
from loom.infra.file_kinds import LOCK_FILES

Asked = Callable[[str], object]
"""What a manifest asks for, in a form that is equal where the same is asked for. May raise ValueError."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One package manager's files. Manifest and lock file stand in one folder."""

    manifests: tuple[str, ...]
    """Names, the one that asks for packages first."""
    locks: tuple[str, ...]
    asked: Asked
    update: str
    """The command that writes the lock file."""


def _json(*keys: str) -> Asked:
    def asked(text: str) -> object:
        value = json.loads(text)
        return {key: value.get(key) or {} for key in keys} if isinstance(value, dict) else value

    return asked


def _toml(*paths: str) -> Asked:
    def asked(text: str) -> object:
        value = tomllib.loads(text)
        return {path: _at(value, path.split(".")) for path in paths}

    return asked


def _at(value: object, keys: list[str]) -> object:
    """What stands below dotted keys; `*` is every key."""
    for position, key in enumerate(keys):
        if not isinstance(value, dict):
            return None
        if key == "*":
            return {name: _at(inner, keys[position + 1 :]) for name, inner in value.items()}
        value = value.get(key)
    return value or None


def _lines(pattern: str) -> Asked:
    """The lines that begin so, without spaces: for manifests that are programs."""
    wanted = re.compile(pattern)

    def asked(text: str) -> object:
        found = ("".join(line.split()) for line in text.splitlines() if wanted.match(line.strip()))
        return sorted(line.partition("#")[0].rstrip(",") for line in found)

    return asked


_NODE = ("dependencies", "devDependencies", "optionalDependencies", "overrides", "resolutions")
_PYTHON = (
    "project.dependencies", "project.optional-dependencies", "dependency-groups", "tool.poetry.dependencies",
    "tool.poetry.dev-dependencies", "tool.poetry.group.*.dependencies", "tool.uv.dev-dependencies", "tool.uv.sources",
    "tool.pdm.dev-dependencies",
)  # fmt: skip
_RUST = (
    "dependencies", "dev-dependencies", "build-dependencies", "target.*.dependencies", "target.*.dev-dependencies",
    "target.*.build-dependencies", "workspace.dependencies", "patch",
)  # fmt: skip

_KINDS = (
    _Kind(("package.json", "pnpm-workspace.yaml"),
          ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"),
          _json(*_NODE), "npm install"),
    _Kind(("pyproject.toml",), ("poetry.lock", "uv.lock", "pdm.lock", "pylock.toml"), _toml(*_PYTHON),
          "uv lock, poetry lock, pdm lock"),
    _Kind(("Pipfile",), ("Pipfile.lock",), _toml("packages", "dev-packages"), "pipenv lock"),
    _Kind(("Cargo.toml",), ("Cargo.lock",), _toml(*_RUST), "cargo update --workspace"),
    _Kind(("composer.json",), ("composer.lock",), _json("require", "require-dev", "conflict", "replace"),
          "composer update --lock"),
    _Kind(("Gemfile",), ("Gemfile.lock",), _lines(r"gem[ (]"), "bundle lock"),
    _Kind(("mix.exs",), ("mix.lock",), _lines(r"\{:\w+, *(?:\"|'|git|github|~)"), "mix deps.get"),
    _Kind(("pubspec.yaml",), ("pubspec.lock",), _lines(r"$^"), "dart pub get"),
    _Kind(("Podfile",), ("Podfile.lock",), _lines(r"pod[ (]"), "pod install"),
    _Kind(("Package.swift",), ("Package.resolved",), _lines(r"\.package\("), "swift package resolve"),
)  # fmt: skip
_BY_MANIFEST = {name: kind for kind in _KINDS for name in kind.manifests}
_BY_LOCK = {name: kind for kind in _KINDS for name in kind.locks}

_GO_REQUIRE = re.compile(r"^\s*(?:require\s+)?([^\s()/]+\.[^\s()]+)\s+(v\d[^\s/]*)\s*(?://.*)?$", re.MULTILINE)
_GO_REPLACE = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>", re.MULTILINE)


def about_dependencies(change: ChangeSet, files: Files) -> Iterator[RawFinding]:
    """Findings in the order of the change. Without the whole files nothing is said."""
    changed = {file.path for file in change.files}
    for file in change.files:
        folder, name = posixpath.split(file.path)
        if name == "go.mod":
            yield from _go(file, folder, files)
        elif (kind := _BY_MANIFEST.get(name)) and file.status == "modified":
            yield from _without_lock(file, kind, folder, changed, files)
        elif (kind := _BY_LOCK.get(name)) and file.status == "modified":
            yield from _without_manifest(file, kind, folder, changed, files)


def _without_lock(file: FileChange, kind: _Kind, folder: str, changed: set[str], files: Files) -> Iterator[RawFinding]:
    """Dependencies changed, and a lock file lies beside that did not."""
    locks = [posixpath.join(folder, name) for name in kind.locks]
    if any(lock in changed for lock in locks):
        return
    lock = next((lock for lock in locks if files.head(lock) is not None), None)
    if lock is None:
        return
    before, after = _asked(kind, files.base(file.base_path)), _asked(kind, files.head(file.path))
    if before is None or after is None or before == after:
        return
    yield RawFinding(
        path=file.path,
        line=_first_new(file, before, after),
        severity=Severity.WARNING,
        category="dependency",
        rule="hygiene/lock-file-missing",
        title="Dependencies changed without their lock file",
        message=f"`{show_path(lock)}` is not part of this change, so it no longer fits `{show_path(file.path)}`: an "
        "install that insists on it fails, any other picks versions on its own. Update it "
        f"({kind.update}) and commit it.",
    )


def _without_manifest(
    file: FileChange, kind: _Kind, folder: str, changed: set[str], files: Files
) -> Iterator[RawFinding]:
    """A lock file changed beside other things, and no manifest of its kind did anywhere (workspaces and packages by
    path reach across folders). A change of lock files only is an update, and says so."""
    if all(posixpath.basename(path) in LOCK_FILES for path in changed):
        return
    if any(posixpath.basename(path) in kind.manifests for path in changed):
        return
    beside = [posixpath.join(folder, name) for name in kind.manifests]
    if not any(files.head(path) is not None for path in beside):
        return
    yield RawFinding(
        path=file.path,
        severity=Severity.INFO,
        category="dependency",
        rule="hygiene/lock-file-alone",
        title="Lock file changed without its manifest",
        message=f"Other versions get installed although `{show_path(beside[0])}` asks for the same as before. That is "
        "right for an update within its ranges; make sure that it is one, since nobody reads lock files line by line.",
    )


def _asked(kind: _Kind, data: bytes | None) -> object | None:
    """None where the manifest is not known or cannot be read: its own tool will say so."""
    if data is None:
        return None
    try:
        return kind.asked(decode_text(data))
    except (ValueError, RecursionError):
        return None


def _first_new(file: FileChange, before: object, after: object) -> int | None:
    """The first added line that names something that is asked for now and was not before."""
    old, new = _names(before), _names(after)
    fresh = {name for name in new - old if len(name) > 1}
    for number, text in file.added_lines().items():
        squeezed = "".join(text.split())
        if any(name in text or name in squeezed for name in fresh):
            return number
    return next(iter(file.added_lines()), None)


def _names(value: object) -> set[str]:
    """All keys and values below, as `key value` pieces."""
    if isinstance(value, Mapping):
        return {str(key) for key in value} | {piece for inner in value.values() for piece in _names(inner)}
    if isinstance(value, list | tuple):
        return {piece for inner in value for piece in _names(inner)}
    return {value} if isinstance(value, str) else set()


def _go(file: FileChange, folder: str, files: Files) -> Iterator[RawFinding]:
    """Required versions of which go.sum has no checksum. That is a fact, whatever the change holds."""
    head, base = files.head(file.path), files.base(file.base_path)
    sums = files.head(posixpath.join(folder, "go.sum"))
    if head is None or base is None or sums is None or file.status != "modified":
        return
    text = decode_text(head)
    replaced = set(_GO_REPLACE.findall(text))
    known = set(_GO_REQUIRE.findall(decode_text(base)))
    locked = {tuple(line.split(" ")[:2]) for line in decode_text(sums).splitlines()}
    for module, version in _GO_REQUIRE.findall(text):
        kept = (module, version) in known or module in replaced
        if kept or (module, version) in locked or (module, f"{version}/go.mod") in locked:
            continue
        number = next((n for n, line in file.added_lines().items() if module in line and version in line), None)
        if number is not None:
            yield RawFinding(
                path=file.path,
                line=number,
                severity=Severity.WARNING,
                category="dependency",
                rule="hygiene/lock-file-missing",
                title="Dependency without a checksum in go.sum",
                message="go.sum has no checksum of this version, so builds stop with `missing go.sum entry`. Run "
                "`go mod tidy` and commit go.sum.",
            )
