"""Plugins as documents: what the API answers, and what the commands show of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from intellyhub_control_plane.plugins.candidates import Candidate
from intellyhub_control_plane.plugins.files import SIGNATURE
from intellyhub_control_plane.plugins.needs import Needs, find_needs
from intellyhub_control_plane.plugins.repositories import Listing
from intellyhub_control_plane.plugins.store import Row, Store
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.plugin import PluginManifest

__all__ = ["describe_candidate", "describe_installed", "describe_listing", "freeze", "needs_of", "show_needs"]


def describe_candidate(candidate: Candidate, installed: Row | None) -> dict[str, Any]:
    """What a person sees before installing."""
    return {
        "name": candidate.name,
        **facts_of(candidate.manifest),
        "digest": candidate.digest,
        "source": str(candidate.origin),
        "revision": candidate.revision,
        "signed": SIGNATURE in candidate.files,
        **show_needs(candidate.needs),
        "installed_version": installed.version if installed else None,
    }


def describe_installed(store: Store, row: Row, available: Listing | None = None) -> dict[str, Any]:
    """An installed plugin. One whose files are damaged says so under `fault`."""
    facts: dict[str, Any] = {**NOTHING_KNOWN, "version": row.version}
    fault = None
    try:
        facts = facts_of(store.manifest(row))
    except InputInvalid as found:
        fault = str(found)
    return {
        "name": row.name,
        **facts,
        "version": row.version,
        "installed": True,
        "digest": row.digest,
        "source": row.source,
        "revision": row.revision,
        "requirements": list(row.requirements),
        "layer": row.layer,
        "signed": row.key is not None,
        "installed_at": row.installed_at,
        "available_version": available.version if available else None,
        "fault": fault,
    }


def describe_listing(listing: Listing) -> dict[str, Any]:
    """A plugin that a repository offers."""
    return {
        **{key: value for key, value in asdict(listing).items() if key not in ("origin", "key")},
        "state_types": list(listing.state_types),
        "listener_types": list(listing.listener_types),
        "requirements": list(listing.requirements),
        "installed": False,
        "source": listing.origin,
        "layer": None,
        "signed": listing.key is not None,
        "installed_at": None,
        "available_version": listing.version,
        "fault": None,
    }


NOTHING_KNOWN: Mapping[str, Any] = {
    "description": "",
    "author": "",
    "license": "",
    "kind": "state",
    "state_types": [],
    "listener_types": [],
}


def facts_of(manifest: PluginManifest) -> dict[str, Any]:
    return {
        "version": manifest.version,
        "description": manifest.description,
        "author": manifest.author,
        "license": manifest.license,
        "kind": manifest.kind,
        "state_types": list(manifest.state_types),
        "listener_types": list(manifest.listener_types),
    }


def show_needs(needs: Needs) -> dict[str, Any]:
    """What it asks for."""
    return {
        "hosts": None if needs.hosts is None else list(needs.hosts),
        "secrets": [asdict(secret) for secret in needs.secrets],
        "requirements": list(needs.requirements),
        "undeclared": list(needs.undeclared),
        "left_out": list(needs.left_out),
        "optional_requirements": list(needs.optional_requirements),
        "services": [{**asdict(service), "fallback": list(service.fallback)} for service in needs.services],
    }


def needs_of(store: Store, row: Row) -> Needs:
    """What an installed plugin asks for. Raises `InputInvalid`."""
    return find_needs(store.manifest(row), {}, also=row.requirements)


def freeze(row: Row) -> dict[str, Any]:
    """An installed plugin as a pinned entry of `plugins.yaml`."""
    entry = {
        "name": row.name,
        "version": f"=={row.version}",
        "source": row.source,
        "digest": row.digest,
        "key": row.key,
        "without": list(row.without),
        "constraints": list(row.constraints),
        "builds": row.builds,
        "lock": list(row.lock),
    }
    return {key: value for key, value in entry.items() if value}
