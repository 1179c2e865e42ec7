"""`intellyhub version`: what is installed, for bug reports."""

from __future__ import annotations

import json
import platform
import sys

import click

from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["ENGINE", "command", "version_of"]

ENGINE = "intellyhub-engine"
DISTRIBUTIONS = (ENGINE, "intellyhub-functions", "intellyhub-knative", "intellyhub-control-plane")


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
@pass_session
def command(session: Session, as_json: bool) -> None:
    """Print the versions of what is installed, for example for a bug report.

    \b
    Examples:
      intellyhub version
      intellyhub version --json
    """
    versions = {name: version for name in DISTRIBUTIONS if (version := version_of(name))}
    facts = versions | {"python": platform.python_version(), "platform": sys.platform}
    if as_json:
        session.terminal.emit(json.dumps(facts) + "\n")
        return
    for name, version in facts.items():
        session.terminal.show((f"{name:<26}", "bold"), version)


def version_of(distribution: str) -> str:
    """The installed version of a distribution; empty when it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
