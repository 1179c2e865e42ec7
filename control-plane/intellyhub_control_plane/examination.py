"""A flow's text among what its tenant has: other flows, plugins, services, packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intellyhub_control_plane.errors import FlowRefused
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.plugins import PluginRepository
from intellyhub_control_plane.plugins.candidates import plugin_name
from intellyhub_control_plane.plugins.origins import read_origin
from intellyhub_control_plane.plugins.repositories import Listing, offers, satisfies
from intellyhub_control_plane.present.plugins import listings_of
from intellyhub_control_plane.present.texts import Examined, Missing, examine_text
from intellyhub_control_plane.shapes.flows import FlowProblem
from intellyhub_control_plane.target.equipment import Stock, look_into
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.language.problems import Severity

__all__ = ["examine_here", "provide_packages", "unmet_dependencies"]

SERVICE = "service"
PACKAGES = "packages"
DEPENDENCY = "dependency"
"""Codes of problems: with a service that a flow's plugins need, with packages that its Python requires, with plugins
that it names itself."""


def examine_here(caller: Caller, text: str, name: str, *, also: str = "") -> Examined:
    """What there is to say about a text among the flows and plugins of this tenant, and one flow that is called
    `also`."""
    with caller.platform.database.transaction(writing=False) as session:
        stock = look_into(session, caller.platform.layout, caller.tenant)
    examined = examine_text(text, name, stock.plugins)
    if examined.missing:
        with caller.platform.database.transaction(writing=False) as session:
            known = listings_of(PluginRepository.all_of(session, caller.tenant))
        examined = examined.with_suggestions(lambda each: suggest_plugin(each, known))
    examined = examined.with_problems(dependency_problems(stock, examined))
    examined = examined.with_problems(service_problems(stock, examined, text))
    if not examined.calls:
        return examined
    wanted = Flow.of(caller.tenant).with_only_columns(Flow.slug)
    return examined.with_missing({*caller.session.scalars(wanted), also} - {""})


def provide_packages(caller: Caller, examined: Examined) -> None:
    """Resolve and install what the flow's own Python requires. Raises `FlowRefused` where that cannot be done."""
    if not examined.requirements:
        return
    caller.session.commit()  # it takes its time, and holds up nobody
    store = caller.platform.publisher.target.plugins_of(caller.tenant.id)
    problems = []
    for lines in examined.requirements:
        try:
            store.packages(lines)
        except InputInvalid as fault:
            problems.append(make_nowhere(PACKAGES, Severity.ERROR, str(fault)))
    if problems:
        raise FlowRefused([*examined.problems, *problems])


def make_nowhere(code: str, severity: Severity, message: str) -> FlowProblem:
    """A problem without a place in the text."""
    nowhere = dict.fromkeys(("line", "column", "end_line", "end_column", "suggestion", "state"))
    return FlowProblem(code=code, severity=severity, message=message, **nowhere)


def suggest_plugin(missing: Missing, known: Sequence[Listing]) -> str | None:
    """What to type, where a known repository offers what a flow misses."""
    kind = "listener" if missing.is_listener else "state"
    listing = offers(known, **{kind: missing.type})
    return f"intellyhub plugins install {listing.name}" if listing is not None else None


def unmet_dependencies(stock: Stock, examined: Examined) -> Iterator[tuple[str, str]]:
    """The plugins that a flow names itself and that are not installed so, each with what is the matter."""
    for line in examined.dependencies:
        try:
            origin = read_origin(line)
            row = stock.rows.get(plugin_name(origin.address))
            if row is None:
                yield line, f"the plugin {origin.address!r} is not installed"
            elif not satisfies(row.version, origin.bounds):
                yield line, f"the plugin {row.name!r} is installed as {row.version}, and {origin.bounds} is asked for"
        except InputInvalid as fault:
            yield "", str(fault)


def dependency_problems(stock: Stock, examined: Examined) -> Iterator[FlowProblem]:
    """What is wrong with the plugins that a flow names itself."""
    for line, message in unmet_dependencies(stock, examined):
        problem = make_nowhere(DEPENDENCY, Severity.WARNING, message)
        yield problem.model_copy(update={"suggestion": f"intellyhub plugins install '{line}'"}) if line else problem


def service_problems(stock: Stock, examined: Examined, text: str) -> Iterator[FlowProblem]:
    """What is wrong with the services that a flow's plugins need."""
    used = [stock.rows[plugin.name] for plugin in examined.uses]
    for message in stock.inject(used, [text]).problems if used or stock.services else ():
        yield make_nowhere(SERVICE, Severity.WARNING, message)
