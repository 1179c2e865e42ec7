"""What all objects have in common: their heads, Secrets, ServiceAccounts, and what they are deleted with."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import InputInvalid

__all__ = ["Manifest", "make_object", "make_secret", "make_service_account", "owned_by"]

Manifest = dict[str, Any]
"""An object as JSON: what server-side apply sends."""
MAX_SECRET_BYTES = 1 << 20
"""Kubernetes' own bound (https://kubernetes.io/docs/concepts/configuration/secret/)."""


def make_object(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str | None,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    **content: Any,
) -> Manifest:
    """An object with its head; None is of the cluster, not of a namespace."""
    metadata: Manifest = {"name": name, "labels": dict(labels)}
    if namespace is not None:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def make_secret(
    name: str,
    files: Mapping[str, str],
    *,
    namespace: str,
    labels: Mapping[str, str],
    secret_type: str = "Opaque",  # noqa: S107 - Kubernetes' word for a Secret without a special shape
) -> Manifest:
    """A Secret. As `data`, never as `stringData`, whose removed keys server-side apply would leave behind. Raises
    `InputInvalid` where it is larger than a cluster takes."""
    size = sum(len(key) + len(text.encode()) for key, text in files.items())
    if size > MAX_SECRET_BYTES:
        raise InputInvalid(f"{name} would hold {size} bytes; a cluster takes {MAX_SECRET_BYTES}: shorten its values")
    data = {key: base64.b64encode(text.encode()).decode() for key, text in sorted(files.items())}
    return make_object("v1", "Secret", name, namespace=namespace, labels=labels, type=secret_type, data=data)


def make_service_account(name: str, *, namespace: str, labels: Mapping[str, str]) -> Manifest:
    """A ServiceAccount whose token no pod is given unasked."""
    return make_object(
        "v1", "ServiceAccount", name, namespace=namespace, labels=labels, automountServiceAccountToken=False
    )


def owned_by(manifest: Manifest, owner: Mapping[str, Any] | None) -> Manifest:
    """The object, deleted by the cluster when its owner is. `owner` is the object as the cluster answered it, with its
    `uid`; None leaves it without one, as before the owner exists.

    Never for Triggers: those of one Broker must be deleted one at a time, else some stay in the channel's list of
    subscribers (knative/eventing #6636), and every event then waits for their retries."""
    if owner is None:
        return manifest
    if manifest["kind"] == "Trigger":
        raise ValueError("Triggers are deleted one at a time, never with an owner")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,  # True asks for rights on the owner's finalizers
    }
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [reference]}}
