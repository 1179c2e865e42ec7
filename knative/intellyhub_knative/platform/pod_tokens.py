"""Which flow a pod belongs to, by the short-lived token that the cluster has given it. Verified here, asking nobody.

A flow's pods have a projected token of the flow's own ServiceAccount, audience `intellyhub`
(https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens). The
cluster signs it; the keys to check that with are public (`key_sets.py`). What a token proves is one name,
`system:serviceaccount:<namespace>:<name>`; whose name it is, the deployments say, and no claim of the token.

PodTokenFault
├── TokenRefused       not a token of a pod, of another cluster, too old, for somebody else's ears
└── KeysUnavailable    the keys to check it with cannot be had at the moment: ask again
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.manifests.names import AUDIENCE, service_account_user
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.key_sets import KeySet, KeysUnavailable, PodTokenFault, key_set_at
from intellyhub_knative.platform.knative import KNATIVE, TARGET

__all__ = [
    "ISSUER",
    "JWKS",
    "JWKS_CA",
    "KeysUnavailable",
    "Pod",
    "PodTokenFault",
    "PodTokens",
    "TokenRefused",
    "make_pod_tokens",
]

ISSUER = "INTELLYHUB_TOKEN_ISSUER"
"""Variable: who signs the tokens of pods; unset: whoever has signed this pod's own."""
JWKS = "INTELLYHUB_TOKEN_JWKS"
"""Variable: the address (https, http) or file of the keys they are signed with; unset: the cluster's own address."""
JWKS_CA = "INTELLYHUB_TOKEN_JWKS_CA"
"""Variable: the file of certificates by which that address is known; unset: those of the system."""

ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
"""What clusters sign with, none of them with a shared secret."""
LEEWAY_SECONDS = 30
"""By which the clocks of nodes may differ."""
LONGEST_TOKEN = 8192
CLAIMS = ("iss", "sub", "aud", "exp")

OWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the cluster puts a pod's own token and its certificates."""
CLUSTER_JWKS = "https://kubernetes.default.svc/openid/v1/jwks"


class TokenRefused(PodTokenFault):
    """The token proves nothing; the message says why, without the token."""


class Pod(NamedTuple):
    """What a token proves."""

    user: str
    """`system:serviceaccount:<namespace>:<name>`."""
    expires_at: float
    """Unix seconds; with it ends whatever was opened by the token."""

    def find(self, deployments: Iterable[Deployment]) -> Deployment | None:
        """The flow whose pod it is: one that runs it, or the one that listens for it. None: of no flow."""
        prefix, _, name = self.user.rpartition(":")
        for one in deployments:
            if one.flow_id[:8] not in name or one.tenant_id[:8] not in prefix:  # spares making most of the names
                continue
            if self.user in {service_account_user(one), service_account_user(one, listener=True)}:
                return one
        return None


class PodTokens:
    """Knows the pods of one cluster by their tokens. Thread-safe."""

    def __init__(
        self, *, issuer: str, keys: KeySet, audience: str = AUDIENCE, now: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._audience = audience
        self._now = now

    def recognise(self, token: str, deployments: Iterable[Deployment]) -> Deployment | None:
        """The flow whose pod shows the token; None for a token that proves nothing or names no flow of these. Raises
        `KeysUnavailable`. May ask for new keys, for some seconds: not in an event loop."""
        try:
            return self.read(token).find(deployments)
        except TokenRefused:
            return None

    async def recognise_async(self, token: str, deployments: Iterable[Deployment]) -> Deployment | None:
        """As `recognise`, for event loops."""
        try:
            return (await self.read_async(token)).find(deployments)
        except TokenRefused:
            return None

    def read(self, token: str) -> Pod:
        """What the token proves. Raises `TokenRefused`, `KeysUnavailable`."""
        key_id = read_key_id(token)
        if self._keys.wants_refresh(key_id):
            self._keys.refresh()
        return self._verify(token, key_id)

    async def read_async(self, token: str) -> Pod:
        """As `read`, for event loops: keys are asked for in a thread."""
        key_id = read_key_id(token)
        if self._keys.wants_refresh(key_id):
            await asyncio.to_thread(self._keys.refresh)
        return self._verify(token, key_id)

    def _verify(self, token: str, key_id: str) -> Pod:
        key = self._keys.find(key_id)
        if key is None:
            raise TokenRefused("the token is signed with a key that is not one of this cluster's")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                # The moments are compared below, with a clock that tests can move.
                options={"require": list(CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as fault:
            raise TokenRefused(f"the token is refused: {fault}") from fault
        return self._within_its_time(claims)

    def _within_its_time(self, claims: Mapping[str, Any]) -> Pod:
        expires_at, begins_at, user = claims["exp"], claims.get("nbf", 0), claims["sub"]
        for moment in (expires_at, begins_at):
            if isinstance(moment, bool) or not isinstance(moment, int | float):
                raise TokenRefused("the token's moments are no numbers")
        if expires_at + LEEWAY_SECONDS <= self._now():
            raise TokenRefused("the token has expired; read its file again, it is replaced in time")
        if begins_at - LEEWAY_SECONDS > self._now():
            raise TokenRefused("the token is not valid yet; compare the clocks of the nodes")
        if not isinstance(user, str) or user.count(":") != 3 or not user.startswith("system:serviceaccount:"):
            raise TokenRefused("the token is not one of a ServiceAccount")
        return Pod(user, float(expires_at))


def make_pod_tokens(environment: Mapping[str, str]) -> PodTokens | None:
    """As the variables say; None outside of clusters. With none set, in a pod: the cluster that it runs on. Raises
    `InputInvalid`."""
    address, issuer = environment.get(JWKS, ""), environment.get(ISSUER, "")
    if not address and not issuer and environment.get(TARGET) != KNATIVE:
        return None
    if not issuer:
        issuer = own_issuer(OWN / "token")
    if address:
        authority = environment.get(JWKS_CA)
        return PodTokens(issuer=issuer, keys=key_set_at(address, authority=Path(authority) if authority else None))
    keys = key_set_at(CLUSTER_JWKS, authority=OWN / "ca.crt", bearer=OWN / "token")
    return PodTokens(issuer=issuer, keys=keys)


def own_issuer(path: Path) -> str:
    """Who has signed this pod's own token. It comes from the node, so its signature is not looked at."""
    try:
        claims = jwt.decode(path.read_text(), options={"verify_signature": False})
        issuer = claims["iss"]
    except (OSError, jwt.PyJWTError, KeyError) as fault:
        raise InputInvalid(
            f"{ISSUER} is not set, and {os.fspath(path)} does not say who signs tokens here ({fault}): set it, or give "
            "this pod a ServiceAccount token (automountServiceAccountToken)"
        ) from fault
    return str(issuer)


def read_key_id(token: str) -> str:
    """Which key a token says it is signed with. Raises `TokenRefused` for what is no token."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("the token is too long to be one")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError) as fault:
        raise TokenRefused("this is not a token of a pod") from fault
    if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
        raise TokenRefused(f"tokens of pods name their key and are signed with one of {', '.join(ALGORITHMS)}")
    return str(header["kid"])
