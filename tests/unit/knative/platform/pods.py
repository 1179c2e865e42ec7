"""A cluster as far as tokens of pods go: keys that sign them, and the set of their public halves."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intellyhub_knative.manifests.names import service_account_user
from intellyhub_knative.platform.deployments import Deployment, Version

ISSUER = "https://kubernetes.default.svc.cluster.local"


class Cluster:
    """Signs tokens as an API server does."""

    def __init__(self):
        self.keys: dict[str, tuple[str, Any]] = {
            "rsa-1": ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))
        }
        self.asked = 0
        self.is_away = False

    def add(self, key_id, algorithm="ES256"):
        self.keys[key_id] = (algorithm, ec.generate_private_key(ec.SECP256R1()))

    def key_set(self):
        """The document, as it is fetched."""
        self.asked += 1
        if self.is_away:
            raise OSError("the API is away")
        listed = []
        for key_id, (algorithm, key) in self.keys.items():
            kind: Any = jwt.algorithms.RSAAlgorithm if algorithm == "RS256" else jwt.algorithms.ECAlgorithm
            listed.append(
                {**kind.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "alg": algorithm, "use": "sig"}
            )
        return json.dumps({"keys": listed}).encode()

    def public_pem(self, key_id="rsa-1"):
        return self.keys[key_id][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, user, *, key_id="rsa-1", lasts=3600, headers=None, **claims):
        algorithm, key = self.keys[key_id]
        now = int(time.time())
        said = {"iss": ISSUER, "sub": user, "aud": ["intellyhub"], "iat": now, "nbf": now, "exp": now + lasts}
        said |= claims
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": key_id, **(headers or {})})

    def pod_token(self, deployment, **options):
        return self.token(service_account_user(deployment), **options)


def make_deployment(tenant="a", flow="1", slug="orders"):
    """A flow of one of several tenants, told apart by one digit each."""
    return Deployment(
        tenant_id=tenant * 32,
        tenant_slug=f"tenant-{tenant}",
        flow_id=flow * 32,
        slug=slug,
        name=slug,
        versions=(Version(number=1, digest="d", path="/flows/1.yaml"),),
    )
