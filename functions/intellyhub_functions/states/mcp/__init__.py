"""Calls tools of MCP servers."""
