"""A Restate server and one service, started together and registered with each other: `python -m … FOLDER`.

https://docs.restate.dev/server/configuration: settings by environment. Both end with this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.benchmarks.child import find_free_port

READY_SECONDS = 20.0


def main(modules: Path, port: int) -> None:
    """Serve the flow at `/flow/run` on a port until told to end."""
    admin, node, service = (find_free_port() for _ in range(3))
    settings = {
        "RESTATE_BASE_DIR": os.environ["INTELLYHUB_BENCH_DATABASE"],
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{port}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_LOGGING": "ERROR",
        "RUST_LOG": "error",
        "SERVICE_PORT": str(service),
    }
    environment = os.environ | settings
    server = [str(modules / "node_modules" / ".bin" / "restate-server"), "--node-name", "bench"]
    service_process = subprocess.Popen(["node", str(modules / "restate_flow.mjs")], env=environment)
    with service_process, subprocess.Popen(server, env=environment) as running:
        register(admin, service)
        running.wait()


def register(admin: int, service: int) -> None:
    """Tell the server where the service is. Raises `TimeoutError`."""
    body = json.dumps({"uri": f"http://127.0.0.1:{service}"}).encode()
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        request = urllib.request.Request(
            f"http://127.0.0.1:{admin}/deployments", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError("the Restate server does not take the service")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(os.environ["PORT"]))
