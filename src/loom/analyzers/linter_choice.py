"""Which linters a repository configures, and in which of its folders. Pure: the folders are read through what is handed
in, the trusted place (docs/linters.md)."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache

from loom.analyzers.linter_file import Linter


class Places:
    """The folders that may hold configuration. `names(folder)` lists what is in one (`.` is the top), `read(path)`
    gives a file's content or None; each is asked once."""

    def __init__(self, names: Callable[[str], Collection[str]], read: Callable[[str], bytes | None]) -> None:
        self._names, self._read = cache(names), cache(read)

    def configured(self, row: Linter, folders: Iterable[str]) -> Mapping[str, str | None]:
        """Those of the folders that configure the linter, in their order, each with the file that does, as it is
        called from there; None where what does is no configuration of the linter's own."""
        found: dict[str, str | None] = {}
        for folder in folders:
            by = [(said, file) for said in row.configured_by for file in self._files(folder, said)]
            if by:
                found[folder] = next((file for said, file in by if said.partition(": ")[0] in row.config), None)
        return found

    def _files(self, folder: str, said: str) -> Iterator[str]:
        """Those that an entry of `configured_by` is about, in order of their names."""
        pattern, _, text = said.partition(": ")
        below, name = posixpath.split(pattern)
        there = self._names(posixpath.normpath(posixpath.join(folder, below)))
        for file in [name] if name in there else sorted(fnmatch.filter(there, name)) if _is_glob(name) else []:
            path = posixpath.join(below, file)
            if not text or self._says(posixpath.normpath(posixpath.join(folder, path)), text):
                yield path

    def _says(self, path: str, text: str) -> bool:
        content = self._read(path)
        return content is not None and text.encode() in content


def folders_above(paths: Iterable[str]) -> tuple[str, ...]:
    """Every folder that one of the files is in or below, the top (`.`) first."""
    found = {"."}
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return tuple(sorted(found, key=lambda folder: (folder != ".", folder)))


def _is_glob(name: str) -> bool:
    return any(sign in name for sign in "*?[")
