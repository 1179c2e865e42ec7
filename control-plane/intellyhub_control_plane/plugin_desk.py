"""A tenant's plugins, for the routes that look at them and change them."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from intellyhub_control_plane.errors import Refusal, RequestInvalid, TooManyRequests, found
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant, User
from intellyhub_control_plane.models.plugins import PluginRepository
from intellyhub_control_plane.models.settings import Secret
from intellyhub_control_plane.plugins.candidates import Candidate
from intellyhub_control_plane.plugins.fetching import Fetcher
from intellyhub_control_plane.plugins.installation import Installations, Record
from intellyhub_control_plane.plugins.repositories import Listing
from intellyhub_control_plane.plugins.store import Choices, Row, Store
from intellyhub_control_plane.present.plugins import listings_of
from intellyhub_control_plane.shapes.problems import FieldFault
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.layers.workshop import ignore
from intellyhub_knative.platform.seal import unseal

__all__ = [
    "Tell",
    "Work",
    "at_work",
    "begin_work",
    "equip_flows",
    "fetcher_of",
    "flows_with",
    "installations_of",
    "invalid",
    "known_listings",
    "put",
    "repositories_of",
    "row_of",
    "store_of",
    "told",
    "work_now",
]

LOG = logging.getLogger(__name__)
AT_ONCE = threading.BoundedSemaphore(2)
"""Plugins that a process fetches and installs at a time: each takes a thread, and the network's time."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
Tell = Callable[[str], None]
Work = Callable[[Caller, Tell], Row]
"""Installs a plugin, and tells its steps. Raises `InputInvalid`, `Refusal`."""


def store_of(caller: Caller) -> Store:
    """Where the tenant's plugins are kept."""
    return caller.platform.publisher.target.plugins_of(caller.tenant.id)


def row_of(caller: Caller, name: str) -> Row:
    """An installed plugin. Raises `NotFound`."""
    return found(store_of(caller).row(name), "plugin", name)


def repositories_of(caller: Caller) -> Sequence[PluginRepository]:
    """The repositories that the tenant knows."""
    return PluginRepository.all_of(caller.session, caller.tenant)


def known_listings(caller: Caller) -> list[Listing]:
    """Every plugin that the tenant's repositories offered when they were looked at."""
    return listings_of(repositories_of(caller))


def installations_of(caller: Caller) -> Installations:
    """The tenant's installations, under way and over."""
    return caller.platform.publisher.target.installations_of(caller.tenant.id)


def fetcher_of(caller: Caller, tell: Tell = ignore) -> Fetcher:
    """Fetches for the tenant, with its secrets where an address names them. Reads the database now."""
    store = store_of(caller)
    sealed = {secret.name: secret.sealed for secret in caller.session.scalars(Secret.of(caller.tenant))}
    caller.session.commit()  # what follows takes its time, and holds up nobody

    def fill_in(address: str) -> str:
        names = set(PLACEHOLDER.findall(address)) & sealed.keys()
        values = unseal({name: sealed[name] for name in names}, caller.platform.keys)
        return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), address)

    return Fetcher(scratch=store.scratch, user=store.user, fill_in=fill_in, tell=tell)


def put(caller: Caller, candidate: Candidate, choices: Choices, tell: Tell = ignore) -> Row:
    """Install, and record it. Raises `InputInvalid`."""
    store = replace(store_of(caller), tell=tell)
    before = store.row(candidate.name)
    row = store.install(candidate, choices)
    caller.audit(
        "plugin.installed",
        row.name,
        version=row.version,
        digest=row.digest,
        source=row.source,
        before=before.version if before else None,
    )
    caller.session.commit()
    return row


def equip_flows(caller: Caller, candidate: Candidate) -> None:
    """Deploy again the flows that use the plugin, or named one of its types in vain."""
    spellings = (*candidate.manifest.state_types, *candidate.manifest.listener_types)
    ids = [flow.id for flow in flows_with(caller, candidate.name, spellings)]
    caller.session.commit()
    caller.platform.publisher.offer_flows(caller.tenant.id, ids)
    used = (
        plugin.folder
        for deployed in caller.platform.publisher.target.deployments().values()
        if deployed is not None and deployed.tenant_id == caller.tenant.id
        for plugin in deployed.plugins
    )
    store_of(caller).sweep(used)


def flows_with(caller: Caller, name: str, spellings: Iterable[str] = ()) -> list[Flow]:
    """The flows that were deployed with a plugin, and those whose text names one of these types."""
    target = caller.platform.publisher.target
    lowered = [each.lower() for each in spellings]
    words = {variant for each in lowered for variant in (each, each.replace("_", "-"), each.replace("-", "_"))}
    question = Flow.beside(Flow.of(caller.tenant), FlowVersion.text)
    flows = []
    for flow, text in caller.session.execute(question):
        deployed = target.deployment(flow.id)
        uses = deployed is not None and any(plugin.name == name for plugin in deployed.plugins)
        spoken = text.lower()
        if uses or any(word in spoken for word in words):
            flows.append(flow)
    return flows


def work_now(caller: Caller, what: str, work: Work) -> Row:
    """Install while the request waits."""
    with at_work(), installations_of(caller).begin(what) as record:
        try:
            row = work(caller, record.tell)
        except (InputInvalid, Refusal) as fault:
            record.failed(str(fault))
            raise
        record.done(row.name)
        return row


def begin_work(caller: Caller, what: str, work: Work) -> str:
    """Install in a thread, which needs nobody to wait for it; the id of the installation. Raises `TooManyRequests`."""
    with ExitStack() as stack:
        stack.enter_context(slot())
        record = stack.enter_context(installations_of(caller).begin(what))
        arguments = (stack.pop_all(), caller, record, work)
        threading.Thread(target=work_alone, args=arguments, name=f"installation-{record.id}", daemon=True).start()
    return record.id


def work_alone(held: ExitStack, caller: Caller, record: Record, work: Work) -> None:
    """The thread. Whatever happens is told in the record."""
    database = caller.platform.database
    with held:
        try:
            with database.session(writing=True) as session:
                tenant = found(session.get(Tenant, caller.tenant.id), "organisation", caller.tenant.id)
                user = found(session.get(User, caller.user.id), "user", caller.user.id)
                session.commit()
                row = work(replace(caller, session=session, tenant=tenant, user=user), record.tell)
                session.commit()
        except (InputInvalid, Refusal) as fault:
            record.failed(str(fault))
        except Exception:
            LOG.exception("the installation %s of %s failed", record.id, caller.tenant.id[:8])
            record.failed("the platform made a mistake; its log says which")
        else:
            record.done(row.name)


@contextmanager
def at_work() -> Iterator[None]:
    """Inside, something is fetched or installed; faults of it are the request's. Raises `TooManyRequests`."""
    with slot(), told("body.source"):
        yield


@contextmanager
def slot() -> Iterator[None]:
    """One of the few places for such work. Raises `TooManyRequests`."""
    if not AT_ONCE.acquire(blocking=False):
        raise TooManyRequests("other plugins are being installed", 10)
    try:
        yield
    finally:
        AT_ONCE.release()


@contextmanager
def told(location: str) -> Iterator[None]:
    """Inside, what cannot be used is a fault of the request."""
    try:
        yield
    except InputInvalid as fault:
        raise invalid(location, str(fault)) from fault


def invalid(location: str, message: str) -> RequestInvalid:
    """A fault of one field of the request."""
    return RequestInvalid([FieldFault(location=location, message=message)])
