"""The one wrapper around the git program; the other `git_*` modules run it through here.

What a repository contains or configures never decides what runs: objects are read in a private git directory of ours
that borrows the repository's objects and takes neither configuration, attributes, hooks, index nor work tree from it
(docs/security-model.md). Nothing is written into the repository. Revisions are resolved to ids first, only ids go on.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from os import devnull
from pathlib import Path
from typing import Self

from loom.core.change import Unread
from loom.core.diff import FileChange, decode_path
from loom.core.errors import SourceError, did_you_mean
from loom.infra import git_config, git_fetch, git_place, git_program, git_push, git_trees, process
from loom.infra.git_objects import Objects, parse_commit
from loom.infra.git_trees import WrittenTree
from loom.infra.parse_diff import parse, split_raw

_TIMEOUT_S = 300.0
MAX_PATCH = 256_000_000
"""Bytes of diff text that are read; files after that are named as not reviewed."""
_BIG_FILE = 50_000_000
"""Bytes above which git compares no content (core.bigFileThreshold)."""
_BINARY_PROBE = 8000  # git calls a file binary that has a NUL in its first 8,000 bytes (xdiff-interface.c)

_DIFF_FLAGS = (
    "--no-commit-id", "-M50%", "-l2000", "--full-index", "--no-abbrev", "--no-ext-diff", "--no-textconv", "--no-color",
    "--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=none",
    "--inter-hunk-context=0", "--diff-algorithm=histogram", "--output-indicator-new=+", "--output-indicator-old=-",
    "--output-indicator-context= ", f"-O{devnull}",
)  # fmt: skip
_DEFAULT_BRANCHES = ("refs/remotes/origin/main", "refs/remotes/origin/master", "refs/heads/main", "refs/heads/master")
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Git:
    """One repository. Made by `discover`; its temporary directory goes with `close`, or at the latest with the
    object."""

    def __init__(self, place: git_place.Place, program: str, environ: Mapping[str, str]) -> None:
        self._place = place
        self._program = program
        self._environ = dict(environ)
        self._scratch = Path(tempfile.mkdtemp(prefix="loom-git-", dir=environ.get("TMPDIR") or None))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        for folder in ("empty", "objects"):
            (self._scratch / folder).mkdir()
        self._config = git_config.parse(self._in_repository("config", "--list", "-z", "--show-scope", as_user=True))
        self.root = git_config.work_tree(self._config, place)
        """The work tree; None for a bare repository."""
        self._private = self._scratch / "git"
        git_config.make_git_dir(self._private, self._config, {"core.bigFileThreshold": str(_BIG_FILE)})
        cat_file = [program, *git_program.settings(), "cat-file", "--batch"]
        spawn = partial(process.start, cat_file, cwd=self._scratch / "empty", env=self._env(self._private))
        self._objects = Objects(spawn)
        weakref.finalize(self, self._objects.close)

    @classmethod
    def discover(cls, start: Path, environ: Mapping[str, str]) -> Self:
        """The repository around `start`. Raises SourceError: no repository there, or no git to read it with."""
        place = git_place.find(start, environ)
        return cls(place, git_program.find(environ, place.root), environ)

    @classmethod
    def bare(cls, environ: Mapping[str, str]) -> Self:
        """An empty repository in a temporary directory, to fetch into where there is no checkout. Raises as above."""
        folder = Path(tempfile.mkdtemp(prefix="loom-bare-", dir=environ.get("TMPDIR") or None))
        made = cls(git_place.make_bare(folder), git_program.find(environ, None), environ)
        weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
        return made

    def close(self) -> None:
        """End the child process and remove the temporary directory. Idempotent."""
        self._objects.close()
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- where we are -----------------------------------------------------------------------------------------------

    @property
    def git_dir(self) -> Path:
        """The git directory of this work tree."""
        return self._place.git_dir

    @property
    def common_dir(self) -> Path:
        """The git directory that all work trees share."""
        return self._place.common_dir

    @property
    def empty_tree(self) -> str:
        """The id of the tree without entries: what a first commit is compared with."""
        return git_config.empty_tree(self._config)

    def remote_url(self, name: str = "origin") -> str | None:
        """The address of a remote, as the repository has it."""
        return git_config.last(self._config, f"remote.{name}.url")

    @property
    def user_name(self) -> str:
        """The name that commits made here would carry; empty where none is set."""
        return git_config.last(self._config, "user.name") or ""

    def is_shallow(self) -> bool:
        """Whether history was cut off when cloning."""
        return bool(self._cut_at())

    def _cut_at(self) -> frozenset[str]:
        try:
            return frozenset((self.common_dir / "shallow").read_text("ascii").split())
        except FileNotFoundError:
            return frozenset()

    # -- revisions --------------------------------------------------------------------------------------------------

    def resolve(self, rev: str) -> str:
        """The id of the commit that a person calls `rev`; a branch that exists only on `origin` is found too.

        Raises SourceError.
        """
        if not rev or rev.startswith("-") or any(ord(char) < 32 or ord(char) == 127 for char in rev):
            raise SourceError(f"{rev!r} is not a revision", hint="name a commit, branch or tag", slug="no-revision")
        for name in (rev, f"refs/remotes/origin/{rev}"):
            found = self._rev_parse(name)
            if found is not None:
                return found
        raise self._unknown(rev)

    def head(self) -> str | None:
        """The commit checked out; None before the first one."""
        return self._rev_parse("HEAD")

    def merge_base(self, a: str, b: str) -> str | None:
        """The best common ancestor of two commits (ids); None when there is none."""
        done = self._call("merge-base", _checked(a), _checked(b), git_dir=self.git_dir)
        if done.returncode not in (0, 1):
            raise git_program.failed("merge-base", done)
        return done.stdout.decode("ascii").split("\n")[0] or None

    def parent(self, commit: str) -> str | None:
        """The first parent of a commit (id); None for a first commit. Raises SourceError where a shallow clone cut it
        off."""
        if commit in self._cut_at():
            raise SourceError(
                f"the parent of {commit[:12]} is not in this shallow clone",
                hint="`git fetch --deepen=1`, or fetch-depth: 2 in the checkout step",
                slug="shallow",
            )
        return self._rev_parse(f"{_checked(commit)}^1")

    def describe(self, commit: str) -> tuple[str, str, str]:
        """(subject, body, author's name) of a commit: untrusted text."""
        found = parse_commit(self._objects.read(_checked(commit)))
        return found.subject, found.body, found.author

    def parents(self, commit: str) -> tuple[str, ...]:
        """The ids that a commit (id) names as its parents, whether they are here or not."""
        return parse_commit(self._objects.read(_checked(commit))).parents

    def has(self, commit: str) -> bool:
        """Whether the commit (id) is here, or was fetched."""
        found = self._objects.read(_checked(commit), cap=0) if _ID.fullmatch(commit) else None
        return found is not None and found[0] == "commit"

    def fetch(self, remote: git_fetch.Remote, commits: Collection[str]) -> None:
        """Bring commits (ids) with their trees, without history, into our temporary directory. Raises SourceError."""
        folder = git_fetch.make_dir(self._scratch, self._place, self._config)
        env, nowhere = self._env(folder), self._scratch / "empty"
        if git_fetch.is_partial(self._config):
            del env["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
        git_fetch.fetch(
            lambda args, extra: self._run(args, cwd=nowhere, env=env | dict(extra)),
            remote,
            [_checked(commit) for commit in commits],
            borrowed=env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES"),
        )

    def upstream_or_default(self) -> str | None:
        """The full name of the ref that local work is compared with: the branch's upstream, else the default branch;
        None when there is neither."""
        upstream = self._call("rev-parse", "--symbolic-full-name", "@{upstream}", git_dir=self.git_dir)
        if upstream.returncode == 0 and upstream.stdout.strip():
            return _ref(upstream.stdout)
        listed = self._in_repository(
            "for-each-ref", "--format=%(refname) %(symref)", "refs/remotes/*/HEAD", *_DEFAULT_BRANCHES
        )
        refs = {name: to for name, _, to in (line.partition(" ") for line in _ref(listed).split("\n"))}
        heads = sorted((name != "refs/remotes/origin/HEAD", name) for name in refs if name.endswith("/HEAD"))
        targets = [refs[name] for _, name in heads]
        for name in (*targets, *_DEFAULT_BRANCHES):
            if name in refs or (name in targets and self._rev_parse(name)):
                return name
        return None

    def pushing(self) -> git_push.Pushing:
        """What a hook asks about remotes and hooks."""
        call = partial(self._call, git_dir=self.git_dir)
        return git_push.Pushing(call, git_program.failed, self._rev_parse, self._place, self.root, self._config)

    def _rev_parse(self, rev: str) -> str | None:
        done = self._call(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", git_dir=self.git_dir
        )
        found = done.stdout.decode("ascii", "replace").strip()
        return found if done.returncode == 0 and _ID.fullmatch(found) else None

    def _unknown(self, rev: str) -> SourceError:
        listed = self._in_repository(
            "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags"
        )
        names = _ref(listed).split("\n")
        hint = "this clone is shallow: `git fetch --unshallow` may bring it" if self.is_shallow() else "see `git log`"
        return SourceError(f'there is no commit "{rev}" here.{did_you_mean(rev, names)}', hint=hint, slug="no-revision")

    # -- content ----------------------------------------------------------------------------------------------------

    def changes(self, base: str, head: str, *, context: int = 3) -> tuple[tuple[FileChange, ...], tuple[Unread, ...]]:
        """What differs between two trees or commits (ids), in path order, `context` lines around each change."""
        done = self._call(
            "diff-tree", "-r", "-z", "--raw", "-p", f"-U{context}", *_DIFF_FLAGS, _checked(base), _checked(head), "--",
            git_dir=self._private, max_output=MAX_PATCH,
        )  # fmt: skip
        if done.returncode != 0 and not done.truncated:
            raise git_program.failed("diff-tree", done)
        records, patch = split_raw(done.stdout)
        parsed = parse(patch, records=records)
        return tuple(self._binary_for_sure(change) for change in parsed.files), parsed.unread

    def blob(self, treeish: str, path: str) -> bytes | None:
        """A regular file of a tree or commit (id); None for a link, a submodule, nothing, or more than 5 MB."""
        return self._objects.file(_checked(treeish), path.encode("utf-8", "surrogateescape"))

    def list_tree(self, treeish: str, prefix: str = "") -> tuple[str, ...]:
        """The regular files of a tree or commit (id) under a directory, in path order."""
        below = [prefix.rstrip("/") + "/"] if prefix else []
        done = self._call("ls-tree", "-r", "-z", "--full-tree", _checked(treeish), "--", *below, git_dir=self._private)
        if done.returncode != 0:
            raise git_program.failed("ls-tree", done)
        entries = (line.partition(b"\t") for line in done.stdout.split(b"\0") if line)
        return tuple(decode_path(path) for head, _, path in entries if head.startswith(b"100"))

    def _binary_for_sure(self, change: FileChange) -> FileChange:
        """git calls what it finds too large binary as well; a large text must not pass for a file without lines."""
        if not change.binary:
            return change
        for sha in (change.new_sha, change.old_sha):
            if sha is not None and self._is_big_text(sha):
                return replace(change, binary=False, unreadable=f"larger than {_BIG_FILE // 1_000_000} MB")
        return change

    def _is_big_text(self, sha: str) -> bool:
        size = self._call("cat-file", "-s", _checked(sha), git_dir=self._private)
        if size.returncode != 0 or int(size.stdout) <= _BIG_FILE:
            return False
        start = self._call("cat-file", "blob", sha, git_dir=self._private, max_output=_BINARY_PROBE)
        return b"\0" not in start.stdout

    # -- trees of what is not committed -------------------------------------------------------------------------------

    def write_worktree_tree(self) -> WrittenTree:
        """The work tree without ignored files as a tree, in our temporary directory. Raises SourceError when bare."""
        if self.root is None:
            raise SourceError(
                f"{self.git_dir} is a bare repository: it has no working tree to review",
                hint="name commits: `--base REV --head REV` or `--commit REV`",
                slug="bare-repository",
            )
        return git_trees.write_worktree(self._stage(self.root))

    def worktree_paths(self) -> tuple[str, ...]:
        """Tracked paths (also of files that are gone) and untracked ones that are not ignored; no submodule's."""
        return git_trees.paths(self._stage(self.root)) if self.root else ()

    def write_index_tree(self) -> WrittenTree:
        """What is staged as a tree object; paths with merge conflicts stay as they were and are named as unread."""
        if self.root is None:
            raise SourceError(
                f"{self.git_dir} is a bare repository: nothing can be staged in it",
                hint="name commits: `--base REV --head REV` or `--commit REV`",
                slug="bare-repository",
            )
        return git_trees.write_index(self._stage(self.root))

    def _stage(self, root: Path) -> git_trees.Stage:
        folder = Path(tempfile.mkdtemp(prefix="stage-", dir=self._scratch))
        settings = git_config.for_work_tree(self._config)
        git_config.make_git_dir(folder, self._config, settings)
        git_trees.copy_index(self._place, folder)
        env = self._env(folder) | {"GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(folder / "index")}
        for name in ("HOME", "XDG_CONFIG_HOME", "GIT_ATTR_NOSYSTEM"):
            del env[name]  # ignore rules, attributes and clean filters (git-lfs) of the user and the system are heard
        env = process.child_env(self._environ, allow=("XDG_CONFIG_HOME",)) | env

        def call(*args: str, stdin: bytes | None = None) -> process.Completed:
            return self._run(args, cwd=root, env=env, stdin=stdin)

        return git_trees.Stage(root=root, call=call, failed=git_program.failed)

    # -- running it ---------------------------------------------------------------------------------------------------

    def _env(self, git_dir: Path) -> dict[str, str]:
        """All that git sees, for the repository's own git directory or one of ours."""
        nowhere = str(self._scratch / "empty")
        env = {
            "PATH": self._environ.get("PATH", ""),
            "LC_ALL": "C",
            "HOME": nowhere,
            "XDG_CONFIG_HOME": nowhere,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_DIR": str(git_dir),
            "GIT_WORK_TREE": nowhere,
            "GIT_INDEX_FILE": str(self._scratch / "none"),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_PAGER": "cat",
        }
        borrowed = self._place.object_dirs
        if git_dir != self._place.git_dir:
            env["GIT_OBJECT_DIRECTORY"] = str(self._scratch / "objects")
        else:
            borrowed = borrowed[1:]
        if borrowed:
            env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = git_config.path_list(borrowed)
        return env | {name: self._environ[name] for name in ("SYSTEMROOT",) if name in self._environ}

    def _call(self, *args: str, git_dir: Path, max_output: int = 64_000_000) -> process.Completed:
        return self._run(args, cwd=self._scratch / "empty", env=self._env(git_dir), max_output=max_output)

    def _in_repository(self, *args: str, as_user: bool = False) -> bytes:
        """Output of a command that only reads refs or configuration, in the repository's own git directory."""
        env = self._env(self._place.git_dir)
        if as_user:
            for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
                env.pop(name, None)
                if name in self._environ:
                    env[name] = self._environ[name]
        done = self._run(args, cwd=self._scratch / "empty", env=env)
        if done.returncode != 0:
            raise git_program.failed(args[0], done)
        return done.stdout

    def _run(
        self,
        args: tuple[str, ...],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes | None = None,
        max_output: int = 64_000_000,
    ) -> process.Completed:
        argv = [self._program, *git_program.settings(), *args]
        done = process.run(argv, cwd=cwd, env=env, timeout_s=_TIMEOUT_S, stdin=stdin, max_output=max_output)
        if done.timed_out:
            raise SourceError(
                f"git {args[0]} did not end within {_TIMEOUT_S:.0f} seconds",
                hint="are there many files that .gitignore should name? `--staged` and `--commit` do not look at them",
                slug="git-timeout",
            )
        return done


def _checked(sha: str) -> str:
    """An object id, and nothing that git could take for an option."""
    if not _ID.fullmatch(sha):
        raise SourceError(f"{sha!r} is not an object id", slug="no-revision")
    return sha


def _ref(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape").strip()
