"""The entry point: answers `--version` before anything heavy is imported, hands the rest to the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `loom`."""
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started us: `>&-`
        _stand_in_for_closed_streams()
    if len(sys.argv) == 2 and sys.argv[1] in ("--version", "-V"):
        from loom import __version__

        sys.stdout.write(f"loom {__version__}\n")
        return
    import gc

    # Imports make hundreds of thousands of objects that stay. Looking among them for garbage took a quarter of the CPU
    # time of a small review: the collector starts when the work does (cli.session), and passes them over at the exit.
    gc.disable()
    from loom.cli.app import run

    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def _stand_in_for_closed_streams() -> None:
    import os

    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    sys.stdout = sys.stdout or nowhere
    sys.stderr = sys.stderr or nowhere


if __name__ == "__main__":
    main()
