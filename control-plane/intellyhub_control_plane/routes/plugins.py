"""`/api/plugins`: state types and listeners that a tenant adds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace

from flask import Response

from intellyhub_control_plane.errors import NotNow, found
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.plugin_desk import (
    Tell,
    Work,
    at_work,
    begin_work,
    equip_flows,
    fetcher_of,
    flows_with,
    installations_of,
    invalid,
    known_listings,
    put,
    row_of,
    store_of,
    work_now,
)
from intellyhub_control_plane.plugins.candidates import Candidate, make_candidate, plugin_name
from intellyhub_control_plane.plugins.describing import describe_candidate, freeze, needs_of, show_needs
from intellyhub_control_plane.plugins.fetching import Fetcher, pick
from intellyhub_control_plane.plugins.files import read_archive
from intellyhub_control_plane.plugins.installation import Installation
from intellyhub_control_plane.plugins.origins import Kind, Origin, read_origin
from intellyhub_control_plane.plugins.repositories import (
    Listing,
    find_newest,
    find_plugins,
    matches,
)
from intellyhub_control_plane.plugins.store import Choices, Row
from intellyhub_control_plane.present.plugins import (
    GENERIC_ICON,
    show_installation,
    show_installed,
    show_listing,
)
from intellyhub_control_plane.shapes.plugins import (
    Asked,
    InspectPlugin,
    InstallationPath,
    InstallPlugin,
    Plugin,
    PluginDetail,
    PluginInstallation,
    PluginList,
    PluginPath,
    PluginPreview,
    PluginPreviewList,
    PluginQuery,
    Preference,
    RemoveQuery,
)
from intellyhub_control_plane.web.area import Area, Reply
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import cut, decode_cursor
from intellyhub_engine.errors import InputInvalid

__all__ = ["plugins"]

ICON_SECONDS = 3600
UPLOADED = "upload:"

plugins = Area("plugins", "Plugins: state types and listeners that a tenant adds")


@plugins.operation("GET", "/api/plugins", needs=Role.VIEWER, answers={200: PluginList})
def list_plugins(caller: Caller, query: PluginQuery) -> PluginList:
    """List what is installed, and what the known repositories offer."""
    store, listings = store_of(caller), known_listings(caller)
    available = {listing.name: listing for listing in listings}
    rows = store.rows()
    items: dict[str, Plugin] = {}
    if query.installed is not True:
        items |= {
            each.name: show_listing(each) for each in listings if each.name not in rows and matches(each, query.q)
        }
    if query.installed is not False:
        shown = (Plugin(**show_installed(store, row, available)) for row in rows.values())
        items |= {each.name: each for each in shown if matches(each, query.q)}
    after = decode_cursor(query.cursor, str)[0] if query.cursor is not None else ""
    names = [name for name in sorted(items) if name > after]
    page = cut([items[name] for name in names[: query.limit + 1]], query.limit, lambda each: [each.name])
    return PluginList.of(page.rows, page.next_cursor)


@plugins.operation(
    "POST",
    "/api/plugins",
    needs=Role.ADMIN,
    answers={201: PluginDetail, 202: PluginInstallation},
    faults=(429,),
)
def install_plugin(caller: Caller, header: Preference, body: InstallPlugin) -> Reply:
    """Install a plugin, or another version of one. Its packages are resolved, pinned and installed for it alone.

    That may take minutes. With `Prefer: respond-async` nobody waits: the answer is the installation, to be looked at.
    """
    if (body.source is None) == (body.archive is None):
        raise invalid("body.source", "give a source, or an archive, and not both")
    choices = Choices(
        digest=body.digest,
        key=body.key,
        builds=body.builds,
        without=tuple(body.without),
        constraints=tuple(body.constraints),
        lock=tuple(body.lock),
    )

    def work(caller: Caller, tell: Tell) -> Row:
        listings, fetcher = known_listings(caller), fetcher_of(caller, tell)
        if body.archive is not None:
            candidate, key = unpack_archive(body.archive, body.folder), None
        else:
            candidate, key = fetch_one(fetcher, body, listings)
        row = put(caller, candidate, replace(choices, key=choices.key or key), tell)
        tell("deploying the flows that use it")
        equip_flows(caller, candidate)
        return row

    return install(caller, header, body.source or body.folder, work, status=201)


@plugins.operation(
    "GET",
    "/api/plugins/installations/<installation_id>",
    needs=Role.ADMIN,
    answers={200: PluginInstallation},
    faults=(404,),
)
def get_plugin_installation(caller: Caller, path: InstallationPath) -> PluginInstallation:
    """Get an installation: how far it has come, and what came of it."""
    return show_installation(installation_of(caller, path.installation_id))


@plugins.operation("POST", "/api/plugins/inspect", needs=Role.ADMIN, answers={200: PluginPreviewList}, faults=(429,))
def inspect_plugin(caller: Caller, body: InspectPlugin) -> PluginPreviewList:
    """Fetch a plugin and tell what it needs. Nothing is installed."""
    listings, fetcher, rows = known_listings(caller), fetcher_of(caller), store_of(caller).rows()
    with at_work():
        found_ones = find_plugins(fetcher, read_origin(body.source), listings, all_of_them=body.all)
    items = [
        PluginPreview(**describe_candidate(candidate, rows.get(candidate.name)), key=key)
        for candidate, key in found_ones
    ]
    return PluginPreviewList.of(items)


@plugins.operation("GET", "/api/plugins/<plugin>", needs=Role.VIEWER, answers={200: PluginDetail}, faults=(404,))
def get_plugin(caller: Caller, path: PluginPath) -> PluginDetail:
    """Get an installed plugin with all that it needs."""
    return show_plugin(caller, row_of(caller, path.plugin))


@plugins.operation(
    "GET", "/api/plugins/<plugin>/icon", needs=Role.VIEWER, answers={200: "image/svg+xml"}, faults=(404,)
)
def get_plugin_icon(caller: Caller, path: PluginPath) -> Response:
    """Get a plugin's picture; a generic one where it has none."""
    store, row = store_of(caller), store_of(caller).row(path.plugin)
    if row is None:
        found(next((each for each in known_listings(caller) if each.name == path.plugin), None), "plugin", path.plugin)
    icon = store.icon(row) if row is not None else None
    response = Response(icon or GENERIC_ICON, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = f"private, max-age={ICON_SECONDS}"
    return response


@plugins.operation(
    "POST",
    "/api/plugins/<plugin>/update",
    needs=Role.ADMIN,
    answers={200: PluginDetail, 202: PluginInstallation},
    faults=(404, 409, 429),
)
def update_plugin(caller: Caller, path: PluginPath, header: Preference) -> Reply:
    """Fetch a plugin anew from where it came from, and resolve its packages anew. Flows use it from their next run.

    With `Prefer: respond-async` the answer is the installation, to be looked at.
    """
    before = row_of(caller, path.plugin)
    refuse_sent(before)

    def work(caller: Caller, tell: Tell) -> Row:
        listings, fetcher = known_listings(caller), fetcher_of(caller, tell)
        candidate = find_newest(fetcher, before, listings)
        row = put(caller, candidate, before.choices, tell)
        tell("deploying the flows that use it")
        equip_flows(caller, candidate)
        return row

    return install(caller, header, before.name, work, status=200)


@plugins.operation("DELETE", "/api/plugins/<plugin>", needs=Role.ADMIN, answers={204: None}, faults=(404, 409))
def uninstall_plugin(caller: Caller, path: PluginPath, query: RemoveQuery) -> None:
    """Remove a plugin; refused while flows use it."""
    row = row_of(caller, path.plugin)
    users = flows_with(caller, row.name)
    if users and not query.force:
        raise NotNow(
            f"{row.name} is used by {', '.join(sorted(flow.slug for flow in users))}; change these flows first"
        )
    store_of(caller).remove(row.name)
    caller.audit("plugin.uninstalled", row.name, version=row.version, digest=row.digest)
    caller.session.commit()
    caller.platform.publisher.offer_flows(caller.tenant.id, [flow.id for flow in users])


def fetch_one(fetcher: Fetcher, body: InstallPlugin, listings: Sequence[Listing]) -> tuple[Candidate, str | None]:
    """What a source holds, and who must have signed it. Raises `InputInvalid`."""
    assert body.source is not None
    found_ones = find_plugins(fetcher, read_origin(body.source), listings, all_of_them=body.name is not None)
    if body.name is None:
        return found_ones[0]
    candidate = pick([each for each, _ in found_ones], plugin_name(body.name))
    return candidate, next(key for each, key in found_ones if each is candidate)


def unpack_archive(text: str, folder: str) -> Candidate:
    """A plugin from what a client sent. Raises `InputInvalid`."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise InputInvalid("the archive is not base64") from fault
    return make_candidate(read_archive(content), folder, Origin(kind=Kind.UPLOAD, address=f"{UPLOADED}{folder}"))


def install(caller: Caller, header: Preference, what: str, work: Work, *, status: int) -> Reply:
    """Do the work, and show the plugin; or begin it, and show how far it is."""
    if not header.is_async:
        return Reply(show_plugin(caller, work_now(caller, what, work)), status)
    begun = begin_work(caller, what, work)
    place = f"/api/plugins/installations/{begun}"
    return Reply(show_installation(installation_of(caller, begun)), 202, {"Location": place})


def installation_of(caller: Caller, number: str) -> Installation:
    """One of the tenant's installations. Raises `NotFound`."""
    return found(installations_of(caller).find(number), "installation", number)


def refuse_sent(row: Row) -> None:
    """Raises `NotNow` for a plugin that came from nowhere that could be asked again."""
    if row.source.startswith(UPLOADED):
        raise NotNow(f"{row.name} was sent from a folder; send it again: intellyhub plugins install FOLDER")


def show_plugin(caller: Caller, row: Row) -> PluginDetail:
    """An installed plugin in full."""
    store = store_of(caller)
    available = {listing.name: listing for listing in known_listings(caller)}
    try:
        needs: Asked | None = Asked(**show_needs(needs_of(store, row)))
    except InputInvalid:
        needs = None
    return PluginDetail(
        **show_installed(store, row, available),
        needs=needs,
        flows=sorted(flow.slug for flow in flows_with(caller, row.name)),
        frozen=freeze(row),
    )
