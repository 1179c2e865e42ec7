"""What the control plane adds to `intellyhub`: the platform itself, and a client of a running one."""

SUMMARIES = {
    "up": "Run the whole platform on this machine.",
    "login": "Log in to a platform.",
    "logout": "Forget a login.",
    "deploy": "Publish a flow on a platform.",
    "flows": "List the flows of a platform.",
    "ps": "Show what listens, runs and sleeps.",
    "describe": "Tell everything about one flow.",
    "invoke": "Run a published flow.",
    "mcp": "Serve flows as tools to a program that speaks MCP.",
    "logs": "Show what flows say, live with -f.",
    "rollback": "Go back to an earlier version.",
    "delete": "Delete a flow.",
    "plugins": "Install, list and make plugins.",
}
"""The lines of these commands in `intellyhub --help`, in this order."""
