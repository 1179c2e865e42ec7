"""`intellyhub build`: flows become images, on any machine, without a platform."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_knative.builds.order import Order
    from intellyhub_knative.builds.pipeline import Built, Means
    from intellyhub_knative.builds.stages import Stage, StageFailed, StageResult

__all__ = ["command"]

CACHE = "INTELLYHUB_BUILD_CACHE"
MOST_CACHE_BYTES = 4 << 30
SLOT = "{flow}"


@click.command("build")
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option(
    "--to",
    metavar="TARGET",
    help="Where the image goes: REGISTRY/REPOSITORY[:TAG], oci:DIR[:TAG] or tar:FILE; {flow} in it is the flow's name."
    " Default: that name below INTELLYHUB_REGISTRY; without either the image is made and thrown away.",
)
@click.option(
    "--engine",
    metavar="IMAGE",
    help="The engine image: a reference, oci:DIR or tar:FILE (default: INTELLYHUB_ENGINE_IMAGE).",
)
@click.option("--platform", metavar="OS/ARCH", default="", help="Of the engine image (default: this machine's).")
@click.option("--name", metavar="NAME", help="What runs are kept under (default: the flow's name).")
@click.option(
    "--changed-since",
    metavar="REVISION",
    help="FLOW are folders of a git repository: build just the flows that changed since this commit.",
)
@click.option("--list", "only_list", is_flag=True, help="Print the files that would be built, and build nothing.")
@json_option
@debug_option
@pass_session
def command(
    session: Session,
    flows: tuple[str, ...],
    to: str | None,
    engine: str | None,
    platform: str,
    name: str | None,
    changed_since: str | None,
    only_list: bool,
    as_json: bool,
) -> int:
    """Check, test and make images of FLOW files (or of all flows in folders); push them where they are to go.

    Plugins are those in `plugins/` beside a flow; what plugins.yaml pins there and is missing is installed first.
    Exits 1 when a test fails or a registry refuses, 2 when a flow is invalid, 69 when a registry cannot be reached.

    \b
    Examples:
      intellyhub build flow.yaml --engine oci:engine --to oci:images
      intellyhub build flows --changed-since origin/main --to registry.example/team/{flow}:1.2
      intellyhub build flow.yaml --to tar:flow.tar --json | jq -r .digest
    """
    paths = find_paths(flows, changed_since)
    if only_list:
        show_paths(session, paths, as_json)
        return Exit.SUCCEEDED
    if name and len(paths) > 1:
        raise InputInvalid("--name is for one flow")
    target = choose_target(to, len(paths))
    means, answers = make_means(), []
    code = Exit.SUCCEEDED
    for path in paths:
        answer, found = build_one(session, path, means, engine, target, platform, name, quiet=as_json)
        answers.append(answer)
        code = code or found
    means.store.trim(MOST_CACHE_BYTES)
    if as_json:
        is_one = len(flows) == 1 and not changed_since and not Path(flows[0]).is_dir()
        session.terminal.emit_json(answers[0] if is_one else {"ok": code is Exit.SUCCEEDED, "flows": answers})
    elif not paths:
        session.terminal.tell("no flow has changed" if changed_since else "there is no flow")
    return code


def find_paths(named: tuple[str, ...], since: str | None) -> list[str]:
    """The files to be built. Raises `InputInvalid`."""
    from intellyhub_control_plane.cli.changed import changed_flows, flows_in

    if since is not None:
        return [path for folder in named for path in changed_flows(Path(folder), since)]
    return [path for each in named for path in (flows_in(Path(each)) if Path(each).is_dir() else [each])]


def show_paths(session: Session, paths: list[str], as_json: bool) -> None:
    if as_json:
        session.terminal.emit_json(paths)
        return
    for path in paths:
        session.terminal.show(path)


def choose_target(to: str | None, number: int) -> str:
    """Where images go, with a slot for the flow's name; empty: nowhere. Raises `InputInvalid`."""
    if to is None:
        from intellyhub_knative.builds.variables import REGISTRY

        prefix = os.environ.get(REGISTRY, "").rstrip("/")
        return f"{prefix}/{SLOT}" if prefix else ""
    if SLOT not in to:
        if number > 1 and to.startswith("oci:"):
            return f"{to}:{SLOT}"
        if number > 1:
            raise InputInvalid(f"--to is for one flow; for {number} write {SLOT} where each one's name is to stand")
    return to


def make_means() -> Means:
    """A cache of this person's, and the registries' credentials."""
    from intellyhub_functions.layers.layers import LayerStore
    from intellyhub_knative.builds.pipeline import Means
    from intellyhub_knative.images.registry.access import read_access
    from intellyhub_knative.images.store import Store

    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get(CACHE) or Path(home) / "intellyhub" / "builds").absolute()

    def provide(lines: tuple[str, ...], bounds: tuple[str, ...], watch: Any) -> Any:
        layers = LayerStore(layers=folder / "packages", locks=folder / "locks.json", tell=watch.progress)
        return layers.provide(lines, constraints=bounds)

    return Means(store=Store(folder=folder / "images"), provide=provide, access=read_access(os.environ))


def build_one(
    session: Session,
    path: str,
    means: Means,
    engine: str | None,
    target: str,
    platform: str,
    name: str | None,
    *,
    quiet: bool,
) -> tuple[dict[str, Any], Exit]:
    """One flow: what is told of it, and the exit code."""
    from intellyhub_knative.builds.pipeline import build
    from intellyhub_knative.builds.stages import StageFailed

    show = Show(session, path, quiet=quiet)
    try:
        order = make_order(session, path, engine, target, platform, name, quiet=quiet)
        built = build(order, means, show)
    except StageFailed as fault:
        if not quiet:
            session.terminal.tell((f"{path}: ", "bold red"), str(fault))
        stages = [make_row(each) for each in show.results]
        return {"file": path, "ok": False, "stage": fault.stage, "fault": str(fault), "stages": stages}, code_of(fault)
    if not quiet:
        show.done(order, built)
    return make_answer(path, order, built), Exit.SUCCEEDED


def make_order(
    session: Session, path: str, engine: str | None, target: str, platform: str, name: str | None, *, quiet: bool
) -> Order:
    """What is to be built. Raises `InputInvalid`, `StageFailed`."""
    from intellyhub_control_plane.cli.beside import plugins_beside, read_called
    from intellyhub_control_plane.models.names import make_slug, name_in
    from intellyhub_engine.cli.inputs import read_bytes
    from intellyhub_engine.cli.programs import MAX_FLOW_BYTES
    from intellyhub_engine.cli.test import sidecar_of
    from intellyhub_functions.plugins.tables import make_catalogue
    from intellyhub_knative.builds.order import Order, find_called
    from intellyhub_knative.builds.variables import engine_image

    base = engine or engine_image(os.environ)
    if not base:
        raise InputInvalid(
            "which engine image is to be under the flow? Name one with --engine, or in INTELLYHUB_ENGINE_IMAGE"
            " (`make image` builds one)"
        )
    text = read_bytes(path, what="flow", max_bytes=MAX_FLOW_BYTES)
    plugins = plugins_beside(session, Path(path), quiet=quiet)
    slug = make_slug(name_in(text.decode("utf-8", "replace"), path), "flow")
    beside = sidecar_of(path) if path != "-" else None
    return Order(
        title=path,
        text=text,
        name=name or slug,
        called=find_called(text, make_catalogue(plugins), lambda called: read_called(Path(path), called)),
        tests=read_bytes(str(beside), what="test", max_bytes=MAX_FLOW_BYTES) if beside else None,
        plugins=plugins,
        labels={"intellyhub.dev/flow": slug},
        engine=base,
        destination=target.replace(SLOT, slug),
        platform=platform,
    )


def make_answer(path: str, order: Order, built: Built) -> dict[str, Any]:
    """As JSON."""
    return {
        "file": path,
        "ok": True,
        "name": order.name,
        "digest": built.digest,
        "image": built.reference or None,
        "size": built.size,
        "flow_bytes": built.flow_bytes,
        "stages": [make_row(each) for each in built.stages],
    }


def make_row(result: StageResult) -> Mapping[str, Any]:
    return {
        "stage": result.stage,
        "status": result.status,
        "seconds": round(result.seconds, 4),
        "message": result.message,
    }


def code_of(fault: StageFailed) -> Exit:
    """What a script is told."""
    from intellyhub_knative.builds.stages import Stage
    from intellyhub_knative.images.errors import RegistryError, RegistryUnreachable

    cause = fault.__cause__
    if isinstance(cause, RegistryUnreachable):
        return Exit.BUSY
    if isinstance(cause, OSError):
        return Exit.UNWRITABLE
    return Exit.FAILED if fault.stage in (Stage.TEST, Stage.PUSH) or isinstance(cause, RegistryError) else Exit.INVALID


class Show:
    """Tells a person how a build goes on: on standard error, so that the result stays clean."""

    def __init__(self, session: Session, path: str, *, quiet: bool) -> None:
        self.terminal = session.terminal
        self.path = path
        self.quiet = quiet
        self.results: list[StageResult] = []

    def began(self, stage: Stage) -> None:
        """As promised by `Listener`."""
        if not self.quiet and stage == "check":
            self.terminal.tell((self.path, "bold"))

    def said(self, stage: Stage, text: str) -> None:
        """As promised by `Listener`."""
        del stage
        if not self.quiet:
            self.terminal.tell((f"    {text}", "dim"))

    def ended(self, result: StageResult) -> None:
        """As promised by `Listener`."""
        from intellyhub_control_plane.cli.words import milliseconds_text

        self.results.append(result)
        if self.quiet:
            return
        good = result.status in ("succeeded", "skipped")
        sign = self.terminal.glyph("✓", "+") if good else self.terminal.glyph("✗", "x")
        took = milliseconds_text(result.seconds * 1000)
        self.terminal.tell(
            (f"  {sign} ", "green" if good else "bold red"),
            f"{result.stage:<8}",
            (f"{took:>8}  ", "dim"),
            result.message if good else "",
        )

    def done(self, order: Order, built: Built) -> None:
        """The result, for people and for pipes."""
        from intellyhub_control_plane.cli.words import bytes_text

        where = built.reference or built.digest
        if self.terminal.interactive:
            kept = "" if built.reference else "  (kept nowhere: name a place with --to)"
            self.terminal.show((order.name, "bold"), f"  {where}  {bytes_text(built.size)}{kept}")
        else:
            self.terminal.show(f"{order.name}\t{where}\t{built.size}")
