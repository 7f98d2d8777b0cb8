"""Where a result goes: which formats to which files, and how the screen looks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loom.cli.host import Host
from loom.core.errors import UsageError
from loom.outputs.base import Look, Output, OutputError, check, look_at, write

if TYPE_CHECKING:
    from loom.cli.flags import ReviewFlags
    from loom.core.result import ReviewResult


@dataclass(frozen=True, slots=True)
class Shown:
    """The outputs of one command."""

    targets: tuple[tuple[Output, Path | None], ...]
    """None: stdout."""
    look: Look

    @classmethod
    def of(cls, flags: ReviewFlags, host: Host) -> Shown:
        """What the flags ask for; `text` on stdout when they say nothing. Raises UsageError or OutputError early."""
        from loom import outputs

        targets: list[tuple[Output, Path | None]] = []
        for spec in flags.outputs:
            name, path = outputs.parse_spec(spec)
            target = None if path is None else host.cwd / path
            if target is not None:
                check(target)
            if any(target == earlier for _, earlier in targets):
                raise UsageError(f"--output {spec}: another output goes there already", hint="name a file for each")
            targets.append((outputs.output(name), target))
        if flags.format is not None or all(target is not None for _, target in targets):
            targets.append((outputs.output(flags.format or "text"), None))
        return cls(tuple(targets), look_at(sys.stdout, host.environ))

    def files_only(self) -> Shown:
        """The same without stdout: for what is an error there and a result in a file."""
        return Shown(tuple(target for target in self.targets if target[1] is not None), self.look)

    def screen_only(self) -> Shown:
        """Only what goes to stdout."""
        return Shown(tuple(target for target in self.targets if target[1] is None), self.look)

    def write(self, result: ReviewResult) -> tuple[OutputError, ...]:
        """Write all. What could not be written comes back, so that one full disk does not keep the findings from the
        screen."""
        failed = []
        for output, path in self.targets:
            look = self.look if path is None else Look()
            try:
                write(output(result, look), path, sys.stdout)
            except OutputError as error:
                failed.append(error)
        return tuple(failed)
