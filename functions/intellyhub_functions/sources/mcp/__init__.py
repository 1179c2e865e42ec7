"""Makes flows tools of MCP servers."""
