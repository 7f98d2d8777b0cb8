"""What the host says (T0): environment, folders and streams, read once. Everything below gets it by parameter."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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
        return Path(self.environ.get("HOME") or str(Path.home()))


def this_host() -> Host:
    """The host of this process. The only place that reads the environment and the working folder."""
    return Host(dict(os.environ), Path.cwd())


def terminal_width() -> int:
    """Columns of the terminal stdout stands on; 80 where there is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
