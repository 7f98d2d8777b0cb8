"""Which files are not worth a model's attention: lock files, generated, vendored and minified ones, binaries.

These are left out by policy: they are named in the result, and do not make it incomplete. Analyzers still see them.
"""

from __future__ import annotations

from loom.core.diff import FileChange
from loom.infra.file_kinds import GENERATED_ENDS, LOCK_FILES, is_vendored, says_generated
from loom.infra.syntax import language_of

_NO_CODE_ENDS = (".snap", ".map", ".svg")
_MINIFIED_WIDTH = 1_000  # characters per line on average: nobody wrote that by hand


def policy_reason(file: FileChange, *, base: bytes | None) -> str | None:
    """Why a model is not asked about this file, or None. `base`: the file as the target branch has it.

    What is generated or minified is for the target branch to say: a change must not be able to hide code by a name, a
    comment or a long line of its own.
    """
    name = file.path.rpartition("/")[2]
    if file.binary:
        return "binary"
    if "160000" in (file.old_mode, file.new_mode):
        return "submodule"
    if name in LOCK_FILES:
        return "lock file"
    if is_vendored(file.path):
        return "vendored"
    if file.path.endswith(_NO_CODE_ENDS):
        return "generated"
    if file.status == "added":
        return None
    if file.base_path.endswith(GENERATED_ENDS) or (base is not None and says_generated(base)):
        return "generated (as the target branch knows it)"
    return "minified (as the target branch has it)" if _was_minified(file, base) else None


def hidden_reason(file: FileChange, *, base: bytes | None) -> str | None:
    """Why a file that git calls binary should have been read all the same, or None: one NUL byte hides a source file
    from every reviewer."""
    if not file.binary or file.status == "deleted":
        return None
    if base is not None and base and b"\0" not in base[:8_000]:
        return "was text and is binary now: nothing can look into it"
    if language_of(file.path) is not None:
        return "has the name of source code and is binary: nothing can look into it"
    return None


def _was_minified(file: FileChange, base: bytes | None) -> bool:
    """By the old file, or where only the diff is known by its old lines."""
    if not file.base_path.endswith((".js", ".css", ".mjs", ".cjs", ".html")):
        return False
    if base is not None:
        return len(base) > _MINIFIED_WIDTH * (base.count(b"\n") + 1)
    old = file.commentable("old").values()
    return sum(map(len, old)) > _MINIFIED_WIDTH * max(1, len(old))
