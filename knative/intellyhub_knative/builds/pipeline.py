"""From a flow's text to its image: check, test, plugins, image, push; each stage told as it goes."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.model import Flow
from intellyhub_engine.language.problems import Problem, Severity
from intellyhub_functions.layers.layers import Layer as Packages
from intellyhub_functions.layers.requirements import key_of
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.plugins.tables import make_catalogue, used_by
from intellyhub_knative.builds.order import Order, python_requirements
from intellyhub_knative.builds.stages import Listener, Remark, Stage, StageFailed, StageResult, Told
from intellyhub_knative.builds.testing import run_flow_tests
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.engine_layer import constraints
from intellyhub_knative.images.flow_files import make_flow_files
from intellyhub_knative.images.flow_image import PYTHON, make_flow_image, tables_of
from intellyhub_knative.images.image import Image, Layer
from intellyhub_knative.images.needs import function_requirements
from intellyhub_knative.images.patience import Watch
from intellyhub_knative.images.plugin_layers import (
    PackedPlugin,
    make_package_layer,
    pack_plugins,
    place_of_packages,
)
from intellyhub_knative.images.reference import Reference
from intellyhub_knative.images.registry.access import ANONYMOUS, Access
from intellyhub_knative.images.sbom import installed_in, make_sbom
from intellyhub_knative.images.source import open_base, this_platform
from intellyhub_knative.images.store import Store

__all__ = ["Built", "Means", "build"]

MOST_SHOWN = 20
FLOW, TITLE = "intellyhub.dev/flow", "org.opencontainers.image.title"
PASSED = "passed"
"""Folder of a store: which tests passed, by their key."""

Provide = Callable[[tuple[str, ...], tuple[str, ...], Watch], Packages | None]
"""Gives the packages of some requirements, within constraints. Raises `InputInvalid`."""

Equip = Callable[[InstalledPlugin, Watch], InstalledPlugin]
"""Sees to it that a plugin's packages are installed here. Raises `InputInvalid`."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What builds are made with."""

    store: Store
    """Layers of builds before, and of registries."""
    provide: Provide
    equip: Equip = lambda plugin, _: plugin
    access: Access = ANONYMOUS


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image."""

    digest: str
    reference: str
    """What names exactly this image where it went; empty where it went nowhere."""
    size: int
    """Bytes in a registry that has nothing of it."""
    flow_bytes: int
    """Bytes of the flow's own layer."""
    stages: tuple[StageResult, ...]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A flow that may be built, and what it uses."""

    flow: Flow
    flows: tuple[tuple[Flow, str], ...]
    """It, and those that it calls, with their texts."""
    plugins: tuple[InstalledPlugin, ...]
    """Those that they use, in the order in which they count."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What goes between the engine and the flow."""

    plugins: tuple[PackedPlugin, ...]
    layers: tuple[Layer, ...]
    tables: Mapping[str, str]
    """Requirements of the flow's Python -> where they will be."""
    paths: tuple[str, ...]
    """Packages for every module of the worker."""
    folders: tuple[Path, ...]


def build(order: Order, means: Means, listener: Listener, cancelled: Callable[[], bool] = lambda: False) -> Built:
    """All stages. Raises `StageFailed` and `BuildCancelled`; the listener has heard of either."""
    told = Told(listener, cancelled)
    with told.stage(Stage.CHECK) as remark:
        checked = check(order, remark)
    with told.stage(Stage.TEST) as remark:
        test(order, checked, means.store, told.watch(Stage.TEST), remark)
    with told.stage(Stage.PLUGINS) as remark:
        watch = told.watch(Stage.PLUGINS)
        base = open_base(order.engine, store=means.store, platform=order.platform, access=means.access, watch=watch)
        parts = gather(checked, means, base, watch, remark)
    with told.stage(Stage.IMAGE) as remark:
        image = assemble(order, base, parts)
        flow_bytes = image.layers[-1].blob.size
        remark.message = f"{image.digest}: {image.size:,} bytes, of which {flow_bytes:,} are the flow"
    reference = ""
    if order.destination:
        with told.stage(Stage.PUSH) as remark:
            reference = send(order, image, means.access, told.watch(Stage.PUSH), remark)
    return Built(
        digest=image.digest,
        reference=reference,
        size=image.size,
        flow_bytes=flow_bytes,
        stages=tuple(told.results),
    )


def check(order: Order, remark: Remark) -> Checked:
    """The text and those of called flows."""
    catalogue = make_catalogue(order.plugins)
    problems: list[tuple[str, Problem]] = []
    flows: list[tuple[Flow, str]] = []
    for title, text in ((order.title, order.text), *((f"{name}.yaml", text) for name, text in order.called.items())):
        flow, found = examine(text, catalogue, name=title)
        problems += ((title, problem) for problem in found)
        flows += [(flow, text.decode("utf-8", "replace"))] if flow else []
    for title, problem in problems[:MOST_SHOWN]:
        remark.say(line_of(title, problem))
    errors = [row for row in problems if row[1].severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StageFailed(Stage.CHECK, line_of(*errors[0]) + more)
    remark.message = f"{len(problems)} warnings" if problems else "no problems"
    used = {plugin for flow, _ in flows for plugin in used_by(flow, order.plugins)} if order.plugins else set()
    return Checked(flow=flows[0][0], flows=tuple(flows), plugins=tuple(each for each in order.plugins if each in used))


def line_of(title: str, problem: Problem) -> str:
    """A problem as `intellyhub check` prints it."""
    place = f"{title}:{problem.position.line}:{problem.position.column}" if problem.position else title
    remedy = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{place}: {problem.severity.value}: {problem.message}{remedy} [{problem.code}]"


def test(order: Order, checked: Checked, store: Store, watch: Watch, remark: Remark) -> None:
    """The flow's tests; those that passed before with the same inputs are not run again."""
    if not checked.flow.tests and order.tests is None:
        remark.skip("the flow has no tests")
        return
    seal = make_catalogue(checked.plugins).seal if checked.plugins else ""
    about = f"{seal} {version('intellyhub-engine')} {sys.version}"
    memo = store.folder / PASSED / order.test_key(about)
    with suppress(OSError, ValueError):
        passed = int(memo.read_text())
        remark.skip(f"{passed} passed before, with the same flow")
        return
    tested = run_flow_tests(order, checked.plugins, watch)
    for name, differences in tested.failed[:MOST_SHOWN]:
        remark.say(f"FAILED {name}: {'; '.join(differences)}")
    if tested.failed:
        name, differences = tested.failed[0]
        counted = f"{len(tested.failed)} of {tested.passed + len(tested.failed)} tests failed"
        raise StageFailed(Stage.TEST, f"{counted}: {name}: {'; '.join(differences)}"[:2000])
    remark.message = f"{tested.passed} passed"
    memo.parent.mkdir(parents=True, exist_ok=True)
    memo.write_text(str(tested.passed))


def gather(checked: Checked, means: Means, base: Image, watch: Watch, remark: Remark) -> Parts:
    """Plugins and packages as layers."""
    python = f"{sys.implementation.cache_tag} {this_platform()}"
    bounds = constraints()
    wanted = {lines for flow, _ in checked.flows for lines in python_requirements(flow)}
    ours = {line for flow, text in checked.flows for line in function_requirements(flow, text)}
    of_python = {key_of(lines): means.provide(lines, (), watch) for lines in sorted(wanted)}
    of_functions = means.provide(tuple(sorted(ours)), bounds, watch) if ours else None
    folders = [each.folder for each in (*of_python.values(), of_functions) if each is not None]
    plugins = tuple(means.equip(plugin, watch) for plugin in checked.plugins)
    inside = [Path(plugin.layer) for plugin in plugins if plugin.layer]
    refuse_other_python(base, [*folders, *inside])
    packed = pack_plugins(plugins, means.store, python=python, watch=watch)
    layers = [layer for each in packed for layer in each.layers]
    layers += [make_package_layer(folder, means.store, python=python, watch=watch)[0] for folder in folders]
    if not layers:
        remark.skip("the flow uses no plugin and no packages")
    else:
        cached = ", all from the cache" if packed and all(each.cached for each in packed) and not folders else ""
        remark.message = f"{len(packed)} plugins, {len({*folders, *inside})} sets of packages{cached}"
    return Parts(
        plugins=packed,
        layers=tuple(layers),
        tables={key: place_of_packages(each.folder) for key, each in of_python.items() if each is not None},
        paths=(place_of_packages(of_functions.folder),) if of_functions is not None else (),
        folders=tuple(dict.fromkeys([*folders, *inside])),
    )


def refuse_other_python(base: Image, folders: list[Path]) -> None:
    """Packages are installed for the Python and the platform that build. Raises `StageFailed` where the image's are
    others, and there are packages."""
    found = base.labels.get(PYTHON) or base.environment.get("PYTHON_VERSION") or ""
    here, there = platform.python_version(), "/".join(base.platform.get(key, "") for key in ("os", "architecture"))
    if folders and found and found.split(".")[:2] != here.split(".")[:2]:
        raise StageFailed(
            Stage.PLUGINS,
            f"the engine image runs Python {found}, and this is {here}: the packages that the flow requires would not"
            " fit; build with the same Python, or name an engine image with this one",
        )
    if folders and there != this_platform():
        raise StageFailed(
            Stage.PLUGINS,
            f"the engine image is for {there}, and this machine is {this_platform()}: the packages that the flow"
            " requires would not fit; build it on such a machine",
        )


def assemble(order: Order, base: Image, parts: Parts) -> Image:
    """The image, described."""
    files = make_flow_files(
        order.text,
        name=order.name,
        called=order.called,
        called_names=order.called_names,
        plugins=parts.plugins,
        layers=parts.tables,
        tables=tables_of(base),
    )
    return make_flow_image(
        base,
        flow_files=files,
        layers=parts.layers,
        labels={TITLE: order.title, **order.labels},
        environment={"INTELLYHUB_FLOW_NAME": order.name},
        packages=parts.paths,
        sbom=make_sbom(order.name, packages_in(parts.folders), base=order.engine),
    )


def packages_in(folders: tuple[Path, ...]) -> Iterator[Mapping[str, str]]:
    """What is in the layers."""
    for folder in folders:
        yield from installed_in(folder)


def send(order: Order, image: Image, access: Access, watch: Watch, remark: Remark) -> str:
    """Put it where it is to go; what names it there."""
    sent: list[str] = []

    def hear(text: str) -> None:
        sent.extend([text] if text.endswith(": sent") else [])
        watch.progress(text)

    destination = parse(order.destination, name=make_archive_name(order))
    reference = push(image, destination, access=access, watch=Watch(progress=hear, cancelled=watch.cancelled))
    remark.message = reference
    if isinstance(destination, Reference) and not sent:
        remark.skip(f"{reference} is there already")
    return reference


def make_archive_name(order: Order) -> str:
    """What an archive's image is called."""
    return f"{order.labels.get(FLOW, 'flow')}:latest"
