"""Manifests are made without a cluster, a database or a server."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("aiohttp", "flask", "kubernetes", "psycopg2", "requests", "sqlalchemy", "watchfiles")
LOAD = f"""
import sys
import intellyhub_knative.manifests.sources, intellyhub_knative.manifests.tenant, intellyhub_knative.manifests.triggers
import intellyhub_knative.installer.secrets
found = [name for name in sys.modules if name in {HEAVY!r} or name.startswith("intellyhub_knative.cluster")]
sys.exit(", ".join(found) or 0)
"""


def test_no_library_of_a_process_is_imported():
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
