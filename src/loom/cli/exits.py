"""The three endings of a command (expected failure, interrupted, our fault) and the exit code of each."""

from __future__ import annotations

import errno
import platform
import sys
import traceback
from collections.abc import Callable

from loom import __version__
from loom.core.errors import LoomError
from loom.engine.gate import Exit


def ending(error: BaseException, *, verbose: bool, mask: Callable[[str], str], say: Callable[[str], None]) -> int:
    """Tell `error` on stderr through `say` and return the exit code. `verbose` (-vv) adds the traceback. `mask`
    takes Loom's own secrets out of everything that is said."""
    match error:
        case LoomError():
            say(mask(f"loom: error: {error.message}"))
            if error.hint:
                say(mask(f"  hint: {error.hint}"))
            code: int = error.exit_code
        case KeyboardInterrupt():
            say("loom: interrupted")
            code = Exit.INTERRUPTED
        case OSError(errno=errno.ENOSPC | errno.EPIPE | errno.EDQUOT):
            say(mask(f"loom: error: cannot write: {error}"))
            code = Exit.UNDELIVERED
        case _:
            last = traceback.extract_tb(error.__traceback__)
            where = f"{last[-1].name}:{last[-1].lineno}" if last else "unknown place"
            say(mask(f"loom: internal error: {type(error).__name__}: {error} (in {where})"))
            say("  Nothing was posted. This is a fault of Loom: please report it with the lines below.")
            say(f"  loom {__version__}, Python {platform.python_version()}, {sys.platform}; -vv shows the traceback")
            code = Exit.INTERNAL
    if verbose:
        say(mask("".join(traceback.format_exception(error))))
    return int(code)
