"""What the host says (T0): environment, folders and streams, read once. Everything below gets it by parameter."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loom.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Host:
    """The machine and job Loom runs in."""

    environ: Mapping[str, str]
    cwd: Path

    @property
    def in_ci(self) -> bool:
        """Whether this is a CI job: the one variable all of them set."""
        return self.environ.get("CI", "").lower() not in ("", "0", "false")

    @property
    def cache_dir(self) -> Path:
        """Where answers are kept."""
        named = self.environ.get("LOOM_CACHE_DIR")
        return Path(named) if named else self._xdg("XDG_CACHE_HOME", ".cache") / "loom"

    @property
    def state_dir(self) -> Path:
        """Where the last results and accepted checkouts are kept."""
        return self._xdg("XDG_STATE_HOME", ".local/state") / "loom"

    @property
    def user_file(self) -> Path:
        """The user's own configuration."""
        return self._xdg("XDG_CONFIG_HOME", ".config") / "loom" / "config.yaml"

    def _xdg(self, variable: str, usual: str) -> Path:
        named = self.environ.get(variable, "")
        # The specification: relative paths are to be ignored. https://specifications.freedesktop.org/basedir-spec/
        if named.startswith("/"):
            return Path(named)
        return self._home / usual

    @property
    def _home(self) -> Path:
        named = self.environ.get("HOME", "")
        if named.startswith("/"):
            return Path(named)
        # A relative one would put state into whatever folder Loom is started in: the user database knows better.
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)


def this_host() -> Host:
    """The host of this process. Raises UsageError when the working folder is gone."""
    try:
        cwd = Path.cwd()
    except OSError as error:
        message = f"the current folder cannot be read: {error.strerror}"
        raise UsageError(message, hint="change to a folder that exists") from error
    return Host(environment(), cwd)


def environment() -> dict[str, str]:
    """The environment of this process. Only here it is read."""
    return dict(os.environ)


def terminal_width() -> int:
    """Columns of the terminal stdout stands on; 80 where there is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
