"""Loom as a user installs it: a fresh virtual environment, current pip, byte-code compiled. And how large that is."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What a virtual environment brings along is not part of the installation.
_NOT_OURS = (
    "pip",
    "setuptools",
    "wheel",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
    "__pycache__",
)


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with Loom in it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def loom(self) -> Path:
        """Its console script."""
        return self.folder / "bin" / "loom"

    @property
    def site(self) -> Path:
        """Where its packages are."""
        return next(self.folder.glob("lib/python3*/site-packages"))

    def distributions(self) -> list[str]:
        """`name version` of each, Loom's own included."""
        infos = (path.name.removesuffix(".dist-info") for path in self.site.glob("*.dist-info"))
        return sorted(info.replace("-", " ", 1) for info in infos if info.partition("-")[0] not in _NOT_OURS)

    def sizes(self) -> dict[str, int]:
        """Bytes by top-level name in site-packages, without byte-code."""
        found = {path.name: sum(_sizes(path)) for path in self.site.iterdir() if not _is_foreign(path)}
        return {**found, "bin/loom": self.loom.stat().st_size}


def install(folder: Path, project: Path) -> Installed:
    """Make an environment and install the project into it as a wheel, compiled, with current pip."""
    venv.create(folder, with_pip=True, clear=True)
    installed = Installed(folder)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for what in (["--upgrade", "pip"], ["--compile", str(project)]):
        command = [str(installed.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
        subprocess.run(command, env=environ, check=True, stdout=sys.stderr)
    return installed


def _is_foreign(path: Path) -> bool:
    return path.name in _NOT_OURS or any(path.match(f"{name}-*.dist-info") for name in _NOT_OURS)


def _sizes(path: Path) -> Iterator[int]:
    if path.is_file():
        yield path.stat().st_size
        return
    for inner in path.iterdir():
        if inner.name != "__pycache__":
            yield from _sizes(inner)
