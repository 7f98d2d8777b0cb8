"""Which of git's settings count: what the repository says about its files, what the user says about programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loom.core.errors import SourceError
from loom.infra.git_place import Place

_ABOUT_FILES = frozenset(
    "core." + name
    for name in (
        "autocrlf",
        "checkroundtripencoding",
        "checkstat",
        "eol",
        "excludesfile",
        "filemode",
        "ignorecase",
        "longpaths",
        "precomposeunicode",
        "protecthfs",
        "protectntfs",
        "sparsecheckout",
        "sparsecheckoutcone",
        "symlinks",
        "trustctime",
    )
)
"""Settings that say how files on disk become blobs; they run nothing, so the repository's own count too."""

_USERS = ("system", "global")
_EMPTY_TREES = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of git's effective configuration."""

    scope: str
    """system, global, local, worktree or command."""
    key: str
    value: str | None
    """None: only the key was written, which means true."""


Config = tuple[Setting, ...]


def parse(listed: bytes) -> Config:
    """The output of `git config --list -z --show-scope`."""
    fields = listed.decode("utf-8", "surrogateescape").split("\0")
    settings = []
    for scope, entry in zip(fields[::2], fields[1::2], strict=False):
        key, has_value, value = entry.partition("\n")
        settings.append(Setting(scope, key, value if has_value else None))
    return tuple(settings)


def work_tree(config: Config, place: Place) -> Path | None:
    """The work tree, `core.bare` and `core.worktree` heard as git hears them: not where `.git` is a file (a linked
    work tree or a submodule stands where that file is)."""
    if place.root is None or place.git_dir != place.root / ".git":
        return place.root
    if (last(config, "core.bare") or "false").lower() in ("true", "yes", "on", "1"):
        return None
    elsewhere = last(config, "core.worktree")
    named = Path(os.path.normpath(place.git_dir / elsewhere)) if elsewhere else place.root
    return named if named.is_dir() else place.root


def empty_tree(config: Config) -> str:
    """The id of the tree without entries, in the repository's hash."""
    name = _hash(config)
    if name not in _EMPTY_TREES:
        raise SourceError(f"the repository uses the hash {name}, which Loom does not know", slug="object-format")
    return _EMPTY_TREES[name]


def for_work_tree(config: Config) -> dict[str, str | None]:
    """What is needed to read the work tree as `git status` does. Clean filters are programs: only the user's or the
    system's count, whatever the repository defines."""
    kept: dict[str, str | None] = {}
    for setting in config:
        users = setting.scope in _USERS
        about_programs = setting.key.startswith("filter.") or setting.key == "core.attributesfile"
        if setting.key in _ABOUT_FILES or (about_programs and users):
            kept[setting.key] = setting.value
    return kept | {"core.safecrlf": "false", "core.looseCompression": "0", "core.splitIndex": "false"}


def make_git_dir(folder: Path, config: Config, settings: Mapping[str, str | None]) -> None:
    """A git directory of our own: the repository's hash, our settings, nothing else. Objects come by environment."""
    (folder / "refs").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/none\n", "ascii")
    fixed = {"core.repositoryFormatVersion": "1", "extensions.objectFormat": _hash(config), "core.bare": "false"}
    (folder / "config").write_bytes(b"".join(_entry(key, value) for key, value in (fixed | dict(settings)).items()))


def path_list(folders: Iterable[Path]) -> str:
    """A value of GIT_ALTERNATE_OBJECT_DIRECTORIES, C-quoted as git accepts it there: paths may hold any character."""
    return os.pathsep.join(_string(str(folder)) for folder in folders)


def _hash(config: Config) -> str:
    return (last(config, "extensions.objectformat") or "sha1").lower()


def last(config: Config, key: str) -> str | None:
    """The value that wins; "true" where only the key stands."""
    found = [setting for setting in config if setting.key == key]
    return ("true" if found[-1].value is None else found[-1].value) if found else None


def _entry(key: str, value: str | None) -> bytes:
    section, _, rest = key.partition(".")
    subsection, _, name = rest.rpartition(".")
    head = f"[{section}]" if not subsection else f"[{section} {_string(subsection)}]"
    line = name if value is None else f"{name} = {_string(value)}"
    return f"{head}\n\t{line}\n".encode("utf-8", "surrogateescape")


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
