"""`loom config check|show|schema`: whether the configuration is right, what it comes to, what it may hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from loom.config.load import Loaded

_config = typer.Typer(help="Check, show and describe the configuration.", no_args_is_help=True)

ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="Another file than .loom/config.yaml.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the table."""
    app.add_typer(_config, name="config")


@_config.command("check")
def check_command(config: ConfigOption = None) -> None:
    """Validate the configuration; every problem with file, line and column. Exit code 2 when there is one."""
    from loom.cli import wiring
    from loom.config.trust import check_hosts
    from loom.llm import endpoints

    loaded = wiring.load_config(config=config)
    check_hosts(
        loaded.config,
        builtin_hosts=endpoints.builtin_hosts(),
        allow=loaded.allow_hosts,
        local=loaded.local and loaded.accepted,
        accepted=True,  # a check is for whoever will run it: no host passes as merely unused
        loaded=loaded,
    )
    _print(check(loaded))


@_config.command("show")
def show_command(config: ConfigOption = None) -> None:
    """Print the effective configuration as YAML, each value with where it comes from. Secrets are not printed."""
    from loom.cli import wiring

    _print(show(wiring.load_config(config=config), mask=wiring.mask_own))


@_config.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of .loom/config.yaml, for editors."""
    sys.stdout.write(schema())


def check(loaded: Loaded) -> str:
    """What there is to say about a configuration that is right."""
    config = loaded.config
    what = "the configuration is valid" if loaded.has_file else "there is no .loom/config.yaml; the defaults apply"
    counts = f"{_count(len(config.pipelines), 'pipeline')}, {_count(len(config.models), 'model')}"
    lines = [f"{what} ({counts})" if loaded.has_file else what]
    if loaded.not_yet:
        lines += ["", "valid, but not yet in effect:", *(f"  {key}" for key in loaded.not_yet)]
    if loaded.notices:
        lines += ["", "notices:"]
        for notice in loaded.notices:
            lines.append(f"  {notice.message}")
            lines += [f"    hint: {notice.hint}"] if notice.hint else []
    return "\n".join(lines) + "\n"


def show(loaded: Loaded, *, mask: Callable[[str], str] = str) -> str:
    """The effective configuration as canonical YAML with origins."""
    from loom.config.show import show as render

    return render(loaded, mask=mask)


def schema() -> str:
    """The JSON Schema, as text."""
    from loom.config.reference import json_schema

    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _print(text: str) -> None:
    """On stdout, with nothing in it that a terminal would obey: a configuration's text may be a stranger's."""
    from loom.infra.text import to_terminal

    sys.stdout.write("\n".join(to_terminal(line) for line in text.split("\n")))
