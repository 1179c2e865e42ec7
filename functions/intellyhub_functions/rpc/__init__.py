"""JSON-RPC 2.0 over HTTP: what the mcp and a2a functions have in common, on both sides."""
