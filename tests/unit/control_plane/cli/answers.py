"""What a platform answers about a flow."""

TEXT = "name: Hello\nstates:\n  a: {state_type: end}\n"
NOW = "2026-01-02T03:04:05.000Z"
FLOW = {
    "id": "f" * 32,
    "name": "Hello",
    "slug": "hello",
    "version": 3,
    "active": True,
    "state": "sleeping",
    "listener": {"type": "webhook", "parameters": {"path": "/hello"}},
    "source": None,
    "workers": 0,
    "last_run": {"id": "r1", "status": "succeeded", "started_at": NOW},
    "url": "http://h/flows/hello",
    "hook_url": "http://h/hooks/main/hello",
    "created_at": NOW,
    "updated_at": NOW,
    "problems": [],
}


def page(*items):
    """A whole list."""
    return 200, {"items": list(items), "next_cursor": None}
