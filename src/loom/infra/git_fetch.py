"""Single commits brought from a server into a temporary directory: no history, no checkout, nothing of the repository's
own configuration, and a credential that neither a command line nor a file ever holds."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loom.core.errors import SourceError
from loom.infra import git_config, git_program, process
from loom.infra.git_place import Place

if TYPE_CHECKING:
    from loom.infra.net import Origin

Call = Callable[[tuple[str, ...], Mapping[str, str]], process.Completed]
"""git with these arguments and variables besides the usual ones."""

_FLAGS = (
    "fetch", "--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules", "--no-show-forced-updates",
)  # fmt: skip
_SETTINGS = {
    "credential.helper": "",  # none: an empty entry clears the list
    "core.askPass": "true",  # asks nobody, and answers nothing
    "fetch.unpackLimit": "1",  # one pack, not thousands of files
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",  # git would take the credential along to wherever the server points
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "protocol.version": "2",  # lets a commit be asked for by its id
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where to fetch from, and how. The address was checked against the allowed hosts by whoever made this."""

    url: str
    """https, or http where the job named the host so; without user name and password."""
    credential: tuple[str, str] | None = field(default=None, repr=False)
    """(user name, token), which go to this address's own origin and nowhere else."""
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None

    @property
    def origin(self) -> Origin:
        """Which server that is. Raises NetError."""
        from loom.infra.net import origin_of

        return origin_of(self.url)


def make_dir(scratch: Path, place: Place, config: git_config.Config) -> Path:
    """A git directory to fetch into, that knows where the repository's history was cut off: else the server would be
    told that we have what is behind the cut."""
    folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=scratch))
    git_config.make_git_dir(folder, config, {"core.bare": "true"})
    cut = place.common_dir / "shallow"
    if cut.is_file():
        shutil.copyfile(cut, folder / "shallow")
    return folder


def fetch(call: Call, remote: Remote, commits: Sequence[str], *, borrowed: str | None) -> None:
    """Bring the commits (ids). First only what the repository lacks; once more without counting on what it has where
    that fails. `borrowed`: its object directories, if it has any. Raises SourceError."""
    extra = _environment(remote)
    args = (*_FLAGS, "--", remote.url, *commits)
    done = call(args, extra)
    if done.returncode != 0 and borrowed and not _refused(done):
        done = call(args, {**extra, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ""})
    if done.returncode != 0:
        raise _failed(remote, done)


def is_partial(config: git_config.Config) -> bool:
    """Whether the repository was cloned without some of its objects: then it must not say that it has them."""
    return any(
        setting.key.endswith((".promisor", ".partialclonefilter")) or setting.key == "extensions.partialclone"
        for setting in config
    )


def _environment(remote: Remote) -> dict[str, str]:
    settings = dict(_SETTINGS)
    if remote.proxy is not None:
        settings["http.proxy"] = remote.proxy
    if remote.credential is not None:
        user, token = remote.credential
        basic = base64.b64encode(f"{user}:{token}".encode()).decode("ascii")
        settings[f"http.{remote.origin}/.extraHeader"] = f"Authorization: Basic {basic}"
    env = {"GIT_ALLOW_PROTOCOL": remote.origin.scheme, "GIT_CONFIG_COUNT": str(len(settings))}
    for n, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
    if remote.ca_bundle is not None:
        env["GIT_SSL_CAINFO"] = remote.ca_bundle
    return env


def _refused(done: process.Completed) -> bool:
    """Whether the server was reached and would not: another try would get the same answer."""
    said = done.stderr.decode("utf-8", "replace")
    return any(mark in said for mark in ("unable to access", "Authentication failed", "not our ref", "could not read"))


def _failed(remote: Remote, done: process.Completed) -> SourceError:
    return SourceError(
        f"git fetch from {remote.origin} failed: {git_program.said(done)}",
        hint="check the token and the network, or check out with the whole history (fetch-depth: 0, GIT_DEPTH: 0)",
        slug="git-fetch",
    )
