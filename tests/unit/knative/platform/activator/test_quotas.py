"""Who fills a workspace can no longer write."""

import asyncio
from types import SimpleNamespace

from intellyhub_knative.platform.activator.quotas import look_at_workspaces
from tests.unit.knative.platform.house_double import data_folder, make_tenant


def test_workers_of_a_full_workspace_are_kept_from_writing_until_there_is_room():
    with data_folder() as layout:
        tenant = make_tenant(layout, max_workspace_bytes=100_000)
        workspace = layout.workspace_of(tenant.tenant_id)
        workspace.mkdir(parents=True)
        staff = SimpleNamespace(
            everyone=lambda: [
                (SimpleNamespace(tenant_id=tenant.tenant_id), SimpleNamespace(pid=pid)) for pid in (7, None)
            ]
        )
        activator = SimpleNamespace(
            staff=staff,
            briefing=SimpleNamespace(full=set()),
            desired=SimpleNamespace(tenants={tenant.tenant_id: tenant}),
        )
        stopped: list[int] = []

        def look() -> None:
            asyncio.run(look_at_workspaces(activator, layout, stop=stopped.append))  # type: ignore[arg-type]

        look()
        assert (stopped, activator.briefing.full) == ([], set())
        (workspace / "large").write_bytes(b"x" * 200_000)
        look()
        assert (stopped, activator.briefing.full) == ([7], {tenant.tenant_id})
        (workspace / "large").unlink()
        look()
        assert (stopped, activator.briefing.full) == ([7], set())
