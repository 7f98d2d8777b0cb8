"""The hook file: what is in it, and putting it where git looks for it without harming anybody else's."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loom.core.errors import LoomError

if TYPE_CHECKING:
    from loom.cli.host import Host
    from loom.cli.wiring import Checkout

NAME = "pre-push"
MARK = "# loom-hook 1"
"""In every hook file of ours, and in no other."""
_LARGEST = 1_000_000

_SCRIPT = """\
#!/bin/sh
{mark}: reviews the commits of a push. Written by `loom hook install`, removed by `loom hook uninstall`.
# To push without it: git push --no-verify
if [ -x {program} ]; then
    exec {command} hook run pre-push {flags}"$@"
elif command -v loom >/dev/null 2>&1; then
    exec loom hook run pre-push {flags}"$@"
fi
echo "loom: not reviewed: neither "{program}" nor a loom on PATH is there; \\`loom hook install\\` mends it" >&2
exit 0
"""


class HookError(LoomError):
    """The hook could not be put where git looks for it, or taken away."""

    exit_code = 2
    default_slug = "hook"


def script(flags: Sequence[str], command: Sequence[str]) -> str:
    """The hook file: a few lines of sh that only call Loom. The program that wrote it is named in full, since
    graphical clients start hooks without the PATH of a shell."""
    words = "".join(f"{shlex.quote(flag)} " for flag in flags)
    return _SCRIPT.format(mark=MARK, program=shlex.quote(command[0]), command=shlex.join(command), flags=words)


def own_command() -> tuple[str, ...]:
    """How this very Loom is started again, from any folder."""
    beside = Path(sys.executable).with_name("loom")
    if os.access(beside, os.X_OK):
        return (beside.as_posix(),)
    return (Path(sys.executable).as_posix(), "-P", "-m", "loom")  # -P: a folder "loom" of the checkout is not it


def install(host: Host, checkout: Checkout, flags: Sequence[str]) -> str:
    """Write the hook; what to tell. Raises HookError where somebody else's hook is, or nothing can be written."""
    path = _path(host, checkout)
    found = _read(path)
    if found is not None and MARK not in found:
        raise HookError(f"{path} is there already and is not Loom's", hint=_beside(found, path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{NAME}.loom-part")
        part.write_text(script(flags, own_command()), "utf-8", newline="\n")
        part.chmod(0o755)
        part.replace(path)
    except OSError as error:
        raise HookError(f"cannot write {path}: {error.strerror}") from error
    lines = [f"{'renewed' if found else 'installed'}: {path}", *_shared(path, checkout)]
    lines.append("pushes are reviewed from now on; `git push --no-verify` leaves it out")
    return "\n".join(lines) + "\n"


def uninstall(host: Host, checkout: Checkout) -> str:
    """Remove the hook if it is ours; what to tell. Raises HookError when it is not."""
    path = _path(host, checkout)
    found = _read(path)
    if found is None:
        return f"there is no {NAME} hook in {path.parent}\n"
    if MARK not in found:
        raise HookError(f"{path} is not Loom's, so it stays", hint="remove the line that calls Loom from it by hand")
    try:
        path.unlink()
    except OSError as error:
        raise HookError(f"cannot remove {path}: {error.strerror}") from error
    return f"removed: {path}\n"


def _path(host: Host, checkout: Checkout) -> Path:
    return checkout.need_git().pushing().hooks(host.environ) / NAME


def _read(path: Path) -> str | None:
    """The hook that is there. A link is somebody's arrangement: whatever it leads to, it is not our file."""
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
            return ""
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HookError(f"cannot read {path}: {error.strerror}") from error


def _beside(found: str, path: Path) -> str:
    """How to have both. We append nothing: a line after somebody's `exec` or `exit` would never run, and standard
    input, which names the commits, may be read by then."""
    if "pre-commit.com" in found or "pre_commit" in found:
        return "it is pre-commit's: add the hook `loom-pre-push` to .pre-commit-config.yaml (docs/hooks.md)"
    if "lefthook" in found:
        return "it is lefthook's: add `loom hook run pre-push {1} {2}` with `use_stdin: true` to its pre-push commands"
    if "husky" in found or path.parent.parent.name == ".husky":
        return 'it is husky\'s: put `loom hook run pre-push "$@"` into .husky/pre-push'
    return 'call Loom from it, with its standard input: loom hook run pre-push "$@" || exit 1'


def _shared(path: Path, checkout: Checkout) -> list[str]:
    """Whom else the hook concerns."""
    root, git = checkout.root.resolve(), checkout.need_git()
    where = path.parent.resolve()
    if where.is_relative_to(git.common_dir.resolve()):
        return []
    if where.is_relative_to(root):
        return [
            f"note: core.hooksPath names {path.parent}, which is part of the working tree: the file is yours to commit"
        ]
    return [f"note: core.hooksPath names {path.parent}: the hook works in every repository that uses this folder"]
