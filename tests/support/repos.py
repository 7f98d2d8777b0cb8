"""Real git repositories, built by the git program the way a person would, in a scrubbed environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Repo:
    """One repository. Paths are relative to its root; contents may be text or bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def init(cls, root: Path, *options: str, branch: str = "main") -> Repo:
        root.mkdir(parents=True, exist_ok=True)
        repo = cls(root)
        repo.git("-c", f"init.defaultBranch={branch}", "init", "-q", *options, ".")
        repo.git("config", "commit.gpgsign", "false")
        repo.git("config", "gc.auto", "0")
        return repo

    def git(self, *args: str | bytes, stdin: bytes | None = None, ok: bool = True, env: Mapping[str, str] = {}) -> str:
        """Run git here; its output without the last line feed. Raises on failure unless `ok` is False."""
        done = subprocess.run(
            ["git", *args], cwd=self.root, input=stdin, capture_output=True, env={**os.environ, **env}, check=False
        )
        if ok and done.returncode != 0:
            raise AssertionError(f"git {args!r}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, files: Mapping[str, str | bytes] | None = None, /, **more: str | bytes) -> Repo:
        """Write files, making their directories."""
        for path, content in {**(files or {}), **more}.items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def commit(self, message: str = "change", files: Mapping[str, str | bytes] | None = None) -> str:
        """Write `files`, add everything, commit (also when nothing changed); the commit's id."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, at: str = "HEAD") -> None:
        """Switch to a new branch."""
        self.git("switch", "-q", "-c", name, at)

    def clone(self, root: Path, *options: str) -> Repo:
        """A clone over the file protocol, so that `--depth` and `--filter` mean something."""
        url = self.root.resolve().as_uri()
        subprocess.run(
            ["git", "-c", "protocol.file.allow=always", "clone", "-q", *options, url, str(root)],
            check=True,
            capture_output=True,
        )
        return Repo(root)

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the git directory with its bytes: what must not change when Loom only looks."""
        git_dir = Path(self.root, self.git("rev-parse", "--absolute-git-dir"))
        return {str(p.relative_to(git_dir)): p.read_bytes() for p in sorted(git_dir.rglob("*")) if p.is_file()}
