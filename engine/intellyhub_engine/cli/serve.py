"""`intellyhub serve`: the worker of DESIGN.md section 6 for one flow, on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click

from intellyhub_engine.cli.inputs import STANDARD_INPUT
from intellyhub_engine.cli.options import env_file_option, flow_argument
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

__all__ = ["command", "make_environment", "make_program"]

LOCAL = "127.0.0.1"


@click.command("serve")
@flow_argument
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--host", default=LOCAL, show_default=True, help="The address to listen on; anything else needs --token.")
@click.option("--token", metavar="TEXT", help="Ask callers for this bearer token (16 characters or more).")
@click.option(
    "--journal",
    metavar="DB",
    type=click.Path(),
    help="Keep runs in this file (default: as `intellyhub run`; `none`: nothing).",
)
@click.option("--framework", is_flag=True, help="Serve it with functions-framework instead of the lean server.")
@env_file_option
@debug_option
@pass_session
def command(
    session: Session,
    flow: str,
    port: int,
    host: str,
    token: str | None,
    journal: str | None,
    framework: bool,
    env_file: str | None,
) -> int:
    """Serve FLOW over HTTP: every POST runs it, waiting runs are resumed, SIGTERM ends it in order.

    \b
    Examples:
      intellyhub serve hello.yaml
      curl -d '{"name": "Ada"}' -H 'Content-Type: application/json' localhost:8080
      intellyhub serve hello.yaml --port 9000 --host 0.0.0.0 --token "$(openssl rand -hex 16)"
    """
    from intellyhub_engine.catalogue.installed import installed_beside
    from intellyhub_engine.cli.programs import load_file
    from intellyhub_engine.cli.stage import NO_JOURNAL, make_folder
    from intellyhub_engine.cli.surroundings import read_env_file

    if flow == STANDARD_INPUT:
        raise InputInvalid("a worker reads its flow from a file; name one")
    if host != LOCAL and not token:
        raise InputInvalid(
            f"--host {host} lets others reach the flow: say with --token TEXT how they show who they are"
        )
    load_file(flow, installed_beside(flow))
    kept = "" if journal == NO_JOURNAL else journal or str(session.settings.journal)
    if kept and journal is None:
        make_folder(Path(kept).parent)
    added = make_environment(flow, host=host, port=port, token=token, journal=kept)
    environment = {**os.environ, **(read_env_file(env_file) if env_file else {}), **added}
    arguments = make_program(host=host, port=port, framework=framework)
    session.terminal.tell(f"serving {flow} on http://{host}:{port or '(a free port)'}; Ctrl-C ends it")
    os.execve(sys.executable, arguments, environment)  # noqa: S606 (becomes the worker, which takes the signals)


def make_environment(flow: str, *, host: str, port: int, token: str | None, journal: str) -> Mapping[str, str]:
    """What the worker reads instead of flags."""
    return {
        "INTELLYHUB_FLOW": str(Path(flow).absolute()),
        "INTELLYHUB_HOST": host,
        "PORT": str(port),
        "INTELLYHUB_AUTH": "required" if token else "none",
        "INTELLYHUB_WORKER_TOKENS": token or "",
        "INTELLYHUB_JOURNAL": journal,
        "INTELLYHUB_WORKSPACE": str(Path.cwd()),
        "INTELLYHUB_SWEEP_SECONDS": "1" if journal else "0",
        "INTELLYHUB_CONCURRENCY": "0",
    }


def make_program(*, host: str, port: int, framework: bool) -> list[str]:
    """The worker's command line. Raises InputInvalid where functions-framework is not installed."""
    if not framework:
        return [sys.executable, "-m", "intellyhub_engine.serving"]
    if find_spec("functions_framework") is None:
        raise InputInvalid("functions-framework is not installed; try: pip install 'intellyhub-engine[framework]'")
    target = ["--target", "handle_event", "--host", host, "--port", str(port)]
    return [sys.executable, "-m", "functions_framework", "--source", framework_source(), *target]


def framework_source() -> str:
    """The file with `handle_event`. Raises InputInvalid where only the package is installed."""
    import intellyhub_engine

    source = Path(intellyhub_engine.__file__).resolve().parent.parent / "main.py"
    if not source.is_file():
        raise InputInvalid("--framework needs engine/main.py of the project; it is not part of the installed package")
    return str(source)
