"""What the pods of tenants have in common: walls, volumes, and where things lie in them.

Everything here passes Pod Security `restricted` and stock Knative without a feature flag, which allows no pod-level
`securityContext`, and so no `fsGroup`: files of Secrets belong to root and must be readable by all in the pod (0444).
"""

from __future__ import annotations

from typing import Any

from intellyhub_knative.manifests.names import AUDIENCE

__all__ = [
    "SECRETS",
    "SECURITY",
    "TOKEN_FILE",
    "VARIABLES",
    "make_mount",
    "make_scratch",
    "make_secret_volume",
    "make_token_volume",
]

USER = 65532
READABLE = 0o444
TOKEN_SECONDS = 3600
"""The kubelet makes a new token after 80 % of it."""

RUN = "/var/run/intellyhub"
TOKEN_FILE = f"{RUN}/token/token"
SECRETS = f"{RUN}/secrets"
VARIABLES = f"{RUN}/variables"

SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,  # without it the process has group 0, whatever the image says
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Of a container."""


def make_token_volume() -> dict[str, Any]:
    """A token of the pod's ServiceAccount, good for the platform and for nothing else, renewed by the kubelet."""
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    return {"name": "token", "projected": {"defaultMode": READABLE, "sources": [{"serviceAccountToken": token}]}}


def make_secret_volume(name: str, secret: str) -> dict[str, Any]:
    """Each key of a Secret as a file."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": READABLE}}


def make_scratch(size: str) -> dict[str, Any]:
    """`/tmp`: the only place that can be written."""
    return {"name": "tmp", "emptyDir": {"sizeLimit": size}}


def make_mount(name: str, path: str) -> dict[str, Any]:
    """A volume at its place, whole: what is mounted by `subPath` is never renewed."""
    mount: dict[str, Any] = {"name": name, "mountPath": path}
    return mount if name == "tmp" else {**mount, "readOnly": True}
