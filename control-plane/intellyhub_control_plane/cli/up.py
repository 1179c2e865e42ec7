"""`intellyhub up`: the whole platform on this machine, until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command", "default_data"]

DEFAULT_PORT = 5000


@click.command("up")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Listen on this address; 0.0.0.0 is every one.",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    metavar="PORT",
    type=click.IntRange(0, 65_535),
    help="Listen on this port; 0 takes a free one.",
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep everything in this folder (default: INTELLYHUB_DATA, else intellyhub in ~/.local/share).",
)
@click.option("--verbose", "-v", is_flag=True, help="Show debug lines of every process too.")
@debug_option
@pass_session
def command(session: Session, host: str, port: int, data: Path | None, verbose: bool) -> int:
    """Run the whole platform: API and console, journal, broker, sources, workers. Ctrl-C stops it in order; the next
    start on the same folder finds everything again.

    \b
    Examples:
      intellyhub up
      intellyhub up --port 8000 --data ~/flows
      INTELLYHUB_ADMIN_EMAIL=ada@example.org INTELLYHUB_ADMIN_PASSWORD=... intellyhub up
    """
    from intellyhub_control_plane.cli.up_view import UpView
    from intellyhub_knative.platform.supervisor.folder import FolderInUse
    from intellyhub_knative.platform.supervisor.platform import Options, run_platform
    from intellyhub_knative.platform.supervisor.sockets import PortTaken
    from intellyhub_knative.platform.supervisor.supervisor import SettingsRefused, StartFailed

    chosen = Options(data=data or default_data(os.environ), host=host, port=port, verbose=verbose)
    view = UpView(session.terminal, verbose=verbose)
    try:
        run_platform(chosen, view, os.environ)
    except (FolderInUse, PortTaken) as fault:
        raise CommandFailed(str(fault), Exit.BUSY) from fault
    except SettingsRefused as fault:
        raise CommandFailed(str(fault), Exit.INVALID) from fault
    except StartFailed as fault:
        raise CommandFailed(str(fault), Exit.FAILED) from fault
    finally:
        view.close()
    return Exit.SUCCEEDED


def default_data(environment: Mapping[str, str]) -> Path:
    """The folder that is used when no flag names one. Not in the current folder: a start from another one would find
    an empty platform."""
    if given := environment.get("INTELLYHUB_DATA"):
        return Path(given)
    shared = environment.get("XDG_DATA_HOME") or Path(environment.get("HOME") or ".", ".local", "share")
    return Path(shared, "intellyhub")
