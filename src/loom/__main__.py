"""The entry point: answers `--version` before anything heavy is imported, hands the rest to the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `loom`."""
    if len(sys.argv) == 2 and sys.argv[1] in ("--version", "-V"):
        from loom import __version__

        sys.stdout.write(f"loom {__version__}\n")
        return
    from loom.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
