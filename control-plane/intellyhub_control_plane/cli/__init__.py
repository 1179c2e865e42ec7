"""What the control plane adds to `intellyhub`: the platform itself, and a client of a running one."""

SUMMARIES = {
    "up": "Run the whole platform on this machine.",
    "login": "Log in to a platform.",
    "logout": "Forget a login.",
    "build": "Make images of flows.",
    "deploy": "Publish a flow on a platform.",
    "flows": "List the flows of a platform.",
    "ps": "Show what listens, runs and sleeps.",
    "describe": "Tell everything about one flow.",
    "invoke": "Run a published flow.",
    "mcp": "Serve flows as tools to a program that speaks MCP.",
    "logs": "Show what flows say, live with -f.",
    "rollout": "Give a new version its requests bit by bit, on a cluster.",
    "rollback": "Go back to an earlier version.",
    "delete": "Delete a flow.",
    "repositories": "Publish flows from git repositories.",
    "plugins": "Install, list and make plugins.",
}
"""The lines of these commands in `intellyhub --help`, in this order."""
