"""`loom init`: writes `.loom/config.yaml` and the CI file for the platform it finds, and says what is left to do. It
overwrites nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.infra.git import Git

PLACEHOLDER = "OWNER/loom@0000000000000000000000000000000000000000 # the commit of a release"
_GITLAB_PLACEHOLDER = "OWNER/loom # a copy of Loom's repository on your GitLab\n    ref: \"" + "0" * 40 + '"'
_MOST_BYTES = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the command to the table."""
    app.command("init")(init)


def init(
    platform: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="github, gitlab, gitea or forgejo (found out from remote and CI files)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
) -> None:
    """Write .loom/config.yaml and the CI file for this repository's platform. Nothing is overwritten."""
    from loom.cli import wiring
    from loom.cli.host import this_host
    from loom.core.errors import UsageError
    from loom.infra.text import to_terminal

    with wiring.open_checkout(this_host()) as checkout:
        git = checkout.need_git()
        if git.root is None:
            raise UsageError("this repository has no working tree to write into", hint="run `loom init` in a clone")
        place = find(git.root, git, platform)
        steps = plan(git.root, place, installed_from(_direct_url))
    if not dry_run:
        write(git.root, steps)
    text = report(place, steps, dry_run=dry_run)
    sys.stdout.write("\n".join(to_terminal(line) for line in text.split("\n")))


# -- where -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ci:
    """A CI that Loom can be added to."""

    title: str
    template: str
    """A file of the package."""
    path: str
    """Where it goes."""
    signs: tuple[str, ...]
    """Paths that say that the repository uses it."""
    page: str
    """Of the documentation."""


CIS = {
    "github": Ci(
        "GitHub Actions", "github.yml", ".github/workflows/loom.yml", (".github/workflows",), "docs/github.md"
    ),
    "gitlab": Ci("GitLab CI", "gitlab.yml", ".gitlab-ci.yml", (".gitlab-ci.yml",), "docs/gitlab.md"),
    "gitea": Ci("Gitea Actions", "gitea.yml", ".gitea/workflows/loom.yml", (".gitea/workflows",), "docs/gitea.md"),
    "forgejo": Ci(
        "Forgejo Actions", "forgejo.yml", ".forgejo/workflows/loom.yml", (".forgejo/workflows",), "docs/gitea.md"
    ),
}
_WOODPECKER = Ci(
    "Woodpecker", "woodpecker.yml", ".woodpecker/loom.yml", (".woodpecker", ".woodpecker.yml", ".woodpecker.yaml"),
    "docs/gitea.md",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """The CI to write for; none where it could not be told."""

    ci: Ci | None
    why: str
    """How it was found out, or why not."""


def find(root: Path, git: Git, platform: str | None) -> Place:
    """The repository's CI: as it was named, by the host of the remote, or by the CI files that are there. Raises
    UsageError for a platform that is none."""
    from loom.platforms import address

    if platform is not None:
        return Place(_beside(root, address.row(platform).name), "--platform")
    remote = address.parse_remote(git.remote_url() or "")
    host = address.host_of(remote[0]) if remote else ""
    if known := address.platform_of(host):
        return Place(_beside(root, known), f"the remote origin is on {host}")
    for ci in (*CIS.values(), _WOODPECKER):
        sign = next((sign for sign in ci.signs if (root / sign).exists()), None)
        if sign is not None:
            return Place(ci, f"there is {sign}")
    told = f"{host} does not tell which platform it is" if host else "there is no remote origin that tells"
    return Place(None, f"{told}, nor any CI file")


def _beside(root: Path, platform: str) -> Ci:
    """The platform's own CI, or Woodpecker where that is in use beside Gitea and Forgejo."""
    ci = CIS[platform]
    uses_woodpecker = any((root / sign).exists() for sign in _WOODPECKER.signs)
    own = any((root / sign).exists() for sign in ci.signs)
    return _WOODPECKER if platform in ("gitea", "forgejo") and uses_woodpecker and not own else ci


# -- which Loom --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Origin:
    """The repository and commit that this Loom was installed from."""

    url: str
    commit: str

    @property
    def action(self) -> str | None:
        """For `uses:`; None where the repository is not on GitHub."""
        found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", self.url)
        return f"{found[1]}@{self.commit}" if found else None


def installed_from(direct_url: Callable[[], str | None]) -> Origin | None:
    """Where pip noted that it took Loom from, if that was a commit of a git repository.
    https://packaging.python.org/en/latest/specifications/direct-url/"""
    try:
        noted = json.loads(direct_url() or "null")
        url, commit = str(noted["url"]), str(noted["vcs_info"]["commit_id"])
    except (ValueError, KeyError, TypeError):
        return None
    return Origin(url, commit) if re.fullmatch(r"[0-9a-f]{40}", commit) and url.startswith("https://") else None


def _direct_url() -> str | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution("loom-review").read_text("direct_url.json")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return None


# -- what --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One file."""

    path: str
    content: str
    there: str = ""
    """Why it is not written; empty: it is."""
    add: str = ""
    """What to add to the file that is there."""


def plan(root: Path, place: Place, origin: Origin | None) -> tuple[Step, ...]:
    """The files, each to be written or left alone."""
    config = Step(".loom/config.yaml", _template("config.yaml"))
    steps = [_checked(root, config)]
    if place.ci is not None:
        content = _pinned(_template(place.ci.template), origin)
        steps.append(_checked_ci(root, place.ci, Step(place.ci.path, content)))
    return tuple(steps)


def _template(name: str) -> str:
    from importlib.resources import files

    return (files("loom") / "scaffold" / name).read_text("utf-8")


def _pinned(content: str, origin: Origin | None) -> str:
    """With the very Loom that is running, where it is known where that came from."""
    from loom import __version__

    if origin is None:
        return content
    if origin.action is not None:
        content = content.replace(PLACEHOLDER, f"{origin.action} # v{__version__}")
    source = f"git+{origin.url}@{origin.commit}"
    return re.sub(r'"loom-review"|\bloom-review$', f'"{source}"', content, flags=re.M)


def _checked(root: Path, step: Step) -> Step:
    """The step, left out where something is there already, or where a link leads out of the repository."""
    from dataclasses import replace

    path = root / step.path
    if path.is_symlink() or path.exists():
        return replace(step, there="it is there already")
    if not path.resolve().is_relative_to(root.resolve()):
        return replace(step, there="a link in its path leads out of the repository")
    return step


def _checked_ci(root: Path, ci: Ci, step: Step) -> Step:
    """The step; for a CI file that people share, what to add to it."""
    from dataclasses import replace

    folder = (root / ci.path).parent
    others = sorted(folder.glob("*.y*ml")) if folder != root else [root / ci.path]
    for other in others:
        if _mentions_loom(other):
            return replace(step, there=f"{other.relative_to(root).as_posix()} runs Loom already")
    step = _checked(root, step)
    return replace(step, add=step.content) if step.there and ci is CIS["gitlab"] else step


def _mentions_loom(path: Path) -> bool:
    try:
        text = path.read_bytes()[:_MOST_BYTES].decode("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return False  # whatever it holds: a file that is there is not written
    return (
        re.search(
            r"/loom@|\bloom (?:review|comment|publish)\b|loom\b.*\n(?:.*\n){0,2}.*\.gitlab-ci-template\.yml", text
        )
        is not None
    )


def write(root: Path, steps: Sequence[Step]) -> None:
    """Write what is not there. Raises UsageError when that cannot be done."""
    from loom.core.errors import UsageError

    for step in steps:
        if step.there:
            continue
        path = root / step.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:  # x: whoever came first keeps what he wrote
                file.write(step.content)
        except OSError as error:
            message = f"cannot write {step.path}: {error.strerror or error}"
            raise UsageError(message, hint="make the folder writable, or see `loom init --dry-run`") from error


# -- what is said ------------------------------------------------------------------------------------------------------


def report(place: Place, steps: Sequence[Step], *, dry_run: bool) -> str:
    """What was written, what was left alone, and what a person has to do."""
    lines = [f"{place.ci.title}: {place.why}" if place.ci else f"no CI file: {place.why}", ""]
    verb = "would write" if dry_run else "wrote"
    for step in steps:
        lines.append(f"left   {step.path}: {step.there}" if step.there else f"{verb}  {step.path}")
        shown = step.add or (step.content if dry_run and not step.there else "")
        if step.add:
            lines.append("       add to it:")
        lines += [f"    {line}".rstrip() for line in shown.rstrip("\n").split("\n")] if shown else []
    todo = _todo(place, steps)
    return "\n".join([*lines, "", "then:", *(f"  {n}. {what}" for n, what in enumerate(todo, 1))]) + "\n"


def _todo(place: Place, steps: Sequence[Step]) -> list[str]:
    ci = place.ci
    if ci is None:
        return ["`loom init --platform NAME` (github, gitlab, gitea, forgejo), or docs/ci.md for any other CI"]
    written = steps[-1].content
    todo = []
    if not steps[-1].there or steps[-1].add:
        if PLACEHOLDER in written:
            todo.append("put the repository and the commit of the Loom release you use in place of OWNER/loom@0000…")
        elif _GITLAB_PLACEHOLDER in written:
            todo.append("put the path and the commit of your copy of Loom in place of OWNER/loom and 0000…")
        todo.append(_token(ci))
        todo.append("a model, if you want one: its key as a secret ANTHROPIC_API_KEY, or another (docs/models.md)")
    todo.append(f"commit, push, and open a pull request; `loom doctor` looks whether all is there, {ci.page} says more")
    return todo


def _token(ci: Ci) -> str:
    if ci is CIS["github"]:
        return "no token is needed; for pull requests from forks see examples/github/fork-1-check.yml"
    if ci is CIS["gitlab"]:
        return "a project access token (api, Developer) as the masked, not protected variable LOOM_GITLAB_TOKEN"
    secret = "loom_token" if ci is _WOODPECKER else "LOOM_TOKEN"
    return f"a token (repository and issue: write, user: read) as the secret {secret}"
