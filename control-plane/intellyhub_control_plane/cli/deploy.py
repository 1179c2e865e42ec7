"""`intellyhub deploy`: a flow's text becomes a published version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_engine.cli.diagnostics import FlowRefused, count_problems, problem_lines
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import EngineError, InputInvalid
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]

FIRST_LOOK_MILLISECONDS = 200


@click.command("deploy")
@click.argument("flow", metavar="FLOW", type=click.Path())
@click.option("--name", metavar="NAME", help="The flow's name (default: the one in the text, else that of the file).")
@click.option("--slug", metavar="SLUG", help="Its name in addresses (default: made from the name).")
@click.option(
    "--target",
    type=click.Choice(["knative"]),
    help="The platform is on a cluster: follow the build and wait until the flow is ready, or say why it is not.",
)
@click.option(
    "--rollout",
    metavar="PERCENT",
    type=click.IntRange(0, 100),
    help="On a cluster: of the requests, for a new version of a flow at first (`intellyhub rollout` goes on).",
)
@click.option("--watch", is_flag=True, help="Publish again whenever the file changes, until Ctrl-C.")
@json_option
@platform_options
@debug_option
@pass_session
def command(
    session: Session,
    flow: str,
    name: str | None,
    slug: str | None,
    target: str | None,
    rollout: int | None,
    watch: bool,
    as_json: bool,
    url: str | None,
    token: str | None,
) -> int:
    """Publish FLOW, a YAML file (`-`: standard input). A flow of that slug gets a new version, else a new one is made.

    \b
    Examples:
      intellyhub deploy flow.yaml
      intellyhub deploy flow.yaml --name 'Refunds, new' --json | jq -r .hook_url
      intellyhub deploy flow.yaml --target knative
      intellyhub deploy flow.yaml --rollout 10
      intellyhub deploy flow.yaml --watch
    """
    client = connect(url, token)
    if watch and rollout is not None:
        raise InputInvalid("--rollout is for one new version: it goes without --watch")
    if watch:
        return keep_deploying(session, client, flow, name, slug)
    deployed = deploy(session, client, flow, name, slug, as_json=as_json, rollout=rollout)
    if target is not None:
        from intellyhub_control_plane.cli.following import follow_deployment

        deployed = follow_deployment(session, client, deployed, quiet=as_json)
    if as_json:
        session.terminal.emit_json(deployed)
    return Exit.SUCCEEDED


def deploy(
    session: Session,
    client: Client,
    path: str,
    name: str | None,
    slug: str | None,
    *,
    as_json: bool = False,
    rollout: int | None = None,
) -> dict[str, Any]:
    """Publish one text, and show what came of it. Raises `FlowRefused`, `CommandFailed`."""
    from intellyhub_control_plane.cli.client import FlowFaults
    from intellyhub_control_plane.models.names import name_in
    from intellyhub_engine.cli.inputs import read_bytes
    from intellyhub_engine.cli.programs import MAX_FLOW_BYTES

    try:
        text = read_bytes(path, what="flow", max_bytes=MAX_FLOW_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise InputInvalid(f"{path}: is not UTF-8 text; a flow is YAML") from None
    chosen = name or name_in(text, path)
    try:
        deployed, before = publish(client, text, chosen, slug, rollout)
    except FlowFaults as fault:
        raise FlowRefused(path, text, [make_problem(each) for each in fault.problems]) from fault
    if not as_json:
        show(session, path, text, deployed, before)
    return deployed


def publish(
    client: Client, text: str, name: str, slug: str | None, rollout: int | None = None
) -> tuple[dict[str, Any], int]:
    """Make the flow, or change the one of that slug, only as it was seen. The flow and the version it had (0: none)."""
    from intellyhub_control_plane.cli.client import part
    from intellyhub_control_plane.models.names import make_slug

    chosen = slug or make_slug(name, "flow")
    try:
        found, headers = client.exchange("GET", f"/api/flows/{part(chosen)}")
    except CommandFailed as fault:
        if fault.code is not Exit.NOT_FOUND:
            raise
        made = client.send("POST", "/api/flows", {"name": name, "yaml_content": text, "slug": chosen})
        return made, 0
    condition = {"If-Match": headers["ETag"]} if "ETag" in headers else {}
    change: dict[str, Any] = {"name": name, "yaml_content": text}
    if rollout is not None:
        change["rollout"] = {"percent": rollout}
    return client.send("PUT", f"/api/flows/{part(found['id'])}", change, headers=condition), found["version"]


def show(session: Session, path: str, text: str, deployed: Mapping[str, Any], before: int) -> None:
    """What is published now and where; warnings as `intellyhub check` shows them."""
    terminal = session.terminal
    problems = [make_problem(each) for each in deployed.get("problems") or []]
    for problem in problems:
        for line in problem_lines(path, text, problem, excerpt=terminal.interactive_errors):
            terminal.tell(*line)
    if not terminal.interactive:
        terminal.show("\t".join([deployed["slug"], str(deployed["version"]), deployed["hook_url"] or deployed["url"]]))
        return
    mark = terminal.glyph("✓", "+")
    done = "published" if not before else "is published already" if before == deployed["version"] else "updated"
    note = f"  ({count_problems(problems)})" if problems else ""
    terminal.show(
        (f"{mark} ", "bold green"), (deployed["name"], "bold"), f" {done}, version {deployed['version']}{note}"
    )
    terminal.show(("  flow  ", "dim"), (deployed["url"], "cyan"))
    if deployed["hook_url"]:
        terminal.show(("  hook  ", "dim"), (deployed["hook_url"], "cyan"))
    else:
        terminal.show(("  run   ", "dim"), f"intellyhub invoke {deployed['slug']}")


def keep_deploying(session: Session, client: Client, path: str, name: str | None, slug: str | None) -> int:
    """Publish now and at every change; a fault is told and waits for the next change."""
    from watchfiles import watch

    if path == "-":
        raise InputInvalid("--watch needs a file: standard input does not change")
    file = Path(path).absolute()
    looks = watch(  # of the folder: editors put a new file in the old one's place
        file.parent,
        watch_filter=lambda _, changed: changed == str(file),
        recursive=False,
        rust_timeout=FIRST_LOOK_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    first = True  # it watches already, so that no change is missed while the text is published
    for changes in looks:
        if changes or first:
            deploy_or_tell(session, client, path, name, slug)
        first = False
    return Exit.SUCCEEDED


def deploy_or_tell(session: Session, client: Client, path: str, name: str | None, slug: str | None) -> None:
    from intellyhub_engine.cli.main import report

    try:
        deploy(session, client, path, name, slug)
    except EngineError as fault:
        report(session, fault)


def make_problem(found: Mapping[str, Any]) -> Problem:
    """A problem of the API as the checker's own."""
    line, column = found.get("line"), found.get("column")
    return Problem(
        code=cast("ProblemCode", str(found.get("code") or "")),  # a newer platform may know more codes
        message=str(found.get("message") or ""),
        severity=Severity(found.get("severity") or "error"),
        position=Position(line, column) if line and column else None,
        state=found.get("state"),
        suggestion=found.get("suggestion"),
    )
