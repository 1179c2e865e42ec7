"""`python -m intellyhub_knative.installer`: makes the installation's Secrets where they are missing, in its own pod.

It only ever creates, with a role that allows nothing else: what exists is neither read nor changed, so that it may run
at every `kubectl apply`. Plain HTTPS: one request each needs no client library.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from intellyhub_knative.installer.secrets import make_first_secrets
from intellyhub_knative.manifests.objects import Manifest

__all__ = ["main"]

MOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, the API server's certificate and its namespace."""
SERVER = "https://kubernetes.default.svc"
PATIENCE_SECONDS = 20
LONGEST_ANSWER_BYTES = 1 << 16


def main(arguments: Sequence[str]) -> int:
    """0: all of them are there. 1: one could not be made, and it says why."""
    parser = argparse.ArgumentParser(prog="intellyhub_knative.installer", description=__doc__)
    parser.add_argument("--database", default="", help="host of a PostgreSQL that is installed along with the platform")
    parser.add_argument("--mount", type=Path, default=MOUNT, help="the folder of the pod's own token")
    parser.add_argument("--server", default=SERVER, help="the API server")
    given = parser.parse_args(arguments)
    try:
        namespace = (given.mount / "namespace").read_text().strip()
        for manifest in make_first_secrets(namespace, given.database):
            tell(manifest, create(manifest, given.server, given.mount))
    except (OSError, http.client.HTTPException) as fault:
        sys.stderr.write(f"ERROR the Secrets cannot be made: {fault}\n")
        return 1
    return 0


def create(manifest: Manifest, server: str, mount: Path) -> int:
    """Ask the API server to make an object; 201, or 409 where it is there. Raises `OSError` for any other answer."""
    place = urlsplit(server)
    token = (mount / "token").read_text().strip()
    connection: http.client.HTTPConnection
    if place.scheme == "https":
        trusted = ssl.create_default_context(cafile=mount / "ca.crt")
        connection = http.client.HTTPSConnection(place.netloc, timeout=PATIENCE_SECONDS, context=trusted)
    else:
        connection = http.client.HTTPConnection(place.netloc, timeout=PATIENCE_SECONDS)
    try:
        connection.request(
            "POST",
            f"/api/v1/namespaces/{manifest['metadata']['namespace']}/secrets",
            body=json.dumps(manifest).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        told = answer.read(LONGEST_ANSWER_BYTES)
    finally:
        connection.close()
    if answer.status not in (201, 409):
        raise OSError(f"the API server answered {answer.status}: {told.decode(errors='replace')[:500]}")
    return answer.status


def tell(manifest: Manifest, status: int) -> None:
    done = "made" if status == 201 else "is there already, and stays as it is"
    sys.stderr.write(f"INFO the Secret {manifest['metadata']['name']} {done}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
