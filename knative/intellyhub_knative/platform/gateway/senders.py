"""Who may post events: a tenant's API tokens, people's access tokens, and on a cluster the pods of its flows."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import jwt

from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.key_sets import KeysUnavailable
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Pods", "admits", "check_pod", "check_sender", "find_pod"]

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="events"'}
MAX_TOKEN_CHARACTERS = 4096
READ_ONLY = "viewer"
API_TOKENS_BEGIN = "ihub_"
NOT_THIS_ONE = "the API token is not valid here: it was revoked, has expired, or is a viewer's, who may not post"


class Pods(Protocol):
    """`PodTokens`."""

    async def recognise_async(self, token: str, deployments: Iterable[Deployment], /) -> Deployment | None: ...


def check_sender(headers: Mapping[str, str], tenant: Tenant | None, session_key: bytes) -> Tenant:
    """The tenant, where the sender may post to it; raises `Refusal`. Who shows nothing valid learns nothing, not even
    which tenants there are."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise Refusal(Fault.UNAUTHENTICATED, "show a bearer token: an API token or an access token", headers=CHALLENGE)
    if tenant is None or not knows_token(tenant, token):
        claims = read_claims(token, session_key)
        if tenant is None or claims.get("tenant") != tenant.tenant_id:
            raise Refusal(Fault.NOT_FOUND, "no tenant of yours is called so")
        if claims.get("role", READ_ONLY) == READ_ONLY:
            raise Refusal(Fault.FORBIDDEN, "viewers may not post events")
    if tenant.suspended:
        raise Refusal(Fault.FORBIDDEN, "the tenant is suspended")
    return tenant


async def find_pod(
    headers: Mapping[str, str], pods: Pods | None, deployments: Iterable[Deployment]
) -> Deployment | None:
    """The flow whose pod the sender is, by the cluster's own token; None where it shows another one. Raises `Refusal`
    while the keys to check it with cannot be had."""
    token = headers.get("authorization", "").partition(" ")[2].strip()
    if pods is None or token.count(".") != 2 or token.startswith(API_TOKENS_BEGIN):
        return None
    try:
        return await pods.recognise_async(token, deployments)
    except KeysUnavailable as fault:
        detail = "the cluster's keys for tokens of pods cannot be had at the moment"
        raise Refusal(Fault.BUSY, detail, retry_after_seconds=5) from fault


def check_pod(pod: Deployment, tenant: Tenant | None) -> Tenant:
    """The tenant, where the pod is of a flow of it; raises `Refusal`, the same one for tenants that there are and those
    that there are not."""
    if tenant is None or tenant.tenant_id != pod.tenant_id:
        raise Refusal(Fault.FORBIDDEN, "a flow's pod may post to its own organisation only")
    if tenant.suspended:
        raise Refusal(Fault.FORBIDDEN, "the tenant is suspended")
    return tenant


def admits(headers: Mapping[str, str], tenant: Tenant, session_key: bytes) -> bool:
    """Whether the sender may run the tenant's flows."""
    try:
        check_sender(headers, tenant, session_key)
    except Refusal:
        return False
    return True


def knows_token(tenant: Tenant, token: str) -> bool:
    """Whether it is one of the tenant's API tokens. What is compared are digests, each in constant time."""
    digest = hashlib.sha256(token.encode("latin-1", "replace")).hexdigest().encode()
    known = [hmac.compare_digest(digest, each.encode()) for each in tenant.event_token_digests]
    return any(known)


def read_claims(token: str, session_key: bytes) -> dict[str, Any]:
    """What a valid access token says."""
    try:
        return jwt.decode(
            token, session_key, algorithms=["HS256"], options={"require": ["exp", "sub"], "verify_aud": False}
        )
    except jwt.InvalidTokenError:
        detail = NOT_THIS_ONE if token.startswith(API_TOKENS_BEGIN) else "the token is not valid here, or no longer"
        raise Refusal(Fault.UNAUTHENTICATED, detail, headers=CHALLENGE) from None
