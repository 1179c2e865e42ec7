"""`/api/plugins/repository/sync`, `/api/flows/{id}/plugins/install`: where plugins are found, and what a flow lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intellyhub_control_plane.examination import examine_here, unmet_dependencies
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.plugins import PluginRepository
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.plugin_desk import (
    at_work,
    equip_flows,
    fetcher_of,
    invalid,
    known_listings,
    put,
    repositories_of,
    store_of,
    told,
)
from intellyhub_control_plane.plugins.candidates import plugin_name
from intellyhub_control_plane.plugins.fetching import Fetcher
from intellyhub_control_plane.plugins.origins import Kind, read_origin
from intellyhub_control_plane.plugins.repositories import Listing, Repository, find_plugins, list_offers, offers
from intellyhub_control_plane.plugins.signatures import read_key
from intellyhub_control_plane.plugins.store import Choices, Row
from intellyhub_control_plane.present.plugins import show_installed, store_listing
from intellyhub_control_plane.routes.flows import flow_to_change, publish, show
from intellyhub_control_plane.shapes.flows import FlowHeaders, FlowPath, FlowUpdated
from intellyhub_control_plane.shapes.plugins import (
    InstalledForFlow,
    InstallForFlow,
    Plugin,
    SyncedRepositories,
    SyncedRepository,
    SyncRepository,
)
from intellyhub_control_plane.target.equipment import look_into
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.errors import InputInvalid

__all__ = ["plugin_sources"]

MOST_REPOSITORIES = 20

plugin_sources = Area("plugin-sources", "Repositories of plugins, and plugins for flows")


@plugin_sources.operation(
    "POST", "/api/plugins/repository/sync", needs=Role.ADMIN, answers={200: SyncedRepositories}, faults=(429,)
)
def sync_repository(caller: Caller, body: SyncRepository) -> SyncedRepositories:
    """Look at all known repositories of plugins, and at one that is new."""
    if body.key is not None:
        with told("body.key"):
            read_key(body.key)
    known = [Repository(address=each.url, key=each.key) for each in repositories_of(caller)]
    wanted = {each.address: each for each in [*default_repositories(caller), *known]}
    if body.url is not None:
        with told("body.url"):
            origin = read_origin(body.url)
        if origin.kind is not Kind.GIT:
            raise invalid("body.url", "is no git repository such as git+https://host/plugins.git")
        wanted[str(origin)] = Repository(address=str(origin), key=body.key)
    if not wanted:
        raise invalid("body.url", "no repository is known; name one, such as git+https://host/plugins.git")
    if len(wanted) > MOST_REPOSITORIES:
        raise invalid("body.url", f"{MOST_REPOSITORIES} repositories are known, and no more can be")
    fetcher, answers = fetcher_of(caller), []
    with at_work():
        looked = [look_at(fetcher, repository) for repository in wanted.values()]
    for repository, listings, fault in looked:
        is_new = body.url is not None and repository.address == str(read_origin(body.url))
        if fault is not None and is_new:
            raise invalid("body.url", fault)
        answers.append(keep(caller, repository, listings, fault))
    caller.audit("plugins.synced", body.url or "", plugins=sum(each.plugins for each in answers))
    return SyncedRepositories(synced=sum(each.plugins for each in answers), repositories=answers)


@plugin_sources.operation(
    "POST",
    "/api/flows/<flow_id>/plugins/install",
    needs=Role.ADMIN,
    answers={200: InstalledForFlow},
    faults=(404, 412, 429),
)
def install_plugins_of_flow(
    caller: Caller, path: FlowPath, header: FlowHeaders, body: InstallForFlow
) -> InstalledForFlow:
    """Install what a flow misses, as far as known repositories offer it, and publish the flow again."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    flow.check_etag(header.if_match)
    text, listings, fetcher = flow.current(caller.session).text, known_listings(caller), fetcher_of(caller)
    wanted = list(body.plugins) or lacking(caller, text, flow.name, listings)
    rows: list[Row] = []
    with at_work():
        for source in wanted:
            for candidate, key in find_plugins(fetcher, read_origin(source), listings):
                rows.append(put(caller, candidate, Choices(key=key, builds=body.builds)))
                equip_flows(caller, candidate)
    flow = flow_to_change(caller, path, header)
    publish(caller, flow)
    examined = examine_here(caller, text, flow.name)
    shown = show(FlowUpdated, caller, flow, examined)
    assert isinstance(shown.body, FlowUpdated)
    store, available = store_of(caller), {listing.name: listing for listing in listings}
    return InstalledForFlow(
        installed=[Plugin(**show_installed(store, row, available)) for row in rows],
        missing=sorted({each.type for each in examined.missing}),
        flow=shown.body,
    )


def default_repositories(caller: Caller) -> Iterator[Repository]:
    """The one that the installation names."""
    if address := caller.platform.settings.plugin_repository:
        yield Repository(address=address)


def lacking(caller: Caller, text: str, name: str, listings: Sequence[Listing]) -> list[str]:
    """The plugins that a flow names under `dependencies`, and those that bring what else it misses, as far as that is
    known."""
    examined = examine_here(caller, text, name)
    with caller.platform.database.transaction(writing=False) as session:
        stock = look_into(session, caller.platform.layout, caller.tenant)
    named = [line for line, _ in unmet_dependencies(stock, examined) if line]
    found = [
        offers(listings, listener=each.type) if each.is_listener else offers(listings, state=each.type)
        for each in examined.missing
    ]
    others = [listing.name for listing in found if listing is not None]
    known = {plugin_name(read_origin(line).address) for line in named}
    return [*named, *(each for each in dict.fromkeys(others) if each not in known)]


def look_at(fetcher: Fetcher, repository: Repository) -> tuple[Repository, list[Listing] | None, str | None]:
    """What a repository offers, or why that cannot be told."""
    try:
        return repository, list_offers(fetcher, repository), None
    except InputInvalid as fault:
        return repository, None, str(fault)


def keep(caller: Caller, repository: Repository, listings: list[Listing] | None, fault: str | None) -> SyncedRepository:
    """Keep what a repository offers now; one that cannot be fetched offers what it did."""
    if listings is not None:
        rows = [store_listing(listing) for listing in listings]
        kept = PluginRepository.put(caller.session, caller.tenant, repository.address, repository.key, rows)
        return SyncedRepository(url=kept.url, plugins=len(rows), synced_at=kept.synced_at, fault=None)
    known = next((each for each in repositories_of(caller) if each.url == repository.address), None)
    return SyncedRepository(
        url=repository.address,
        plugins=len(known.listings) if known else 0,
        synced_at=known.synced_at if known else None,
        fault=fault,
    )
