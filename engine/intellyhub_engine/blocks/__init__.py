"""Runs a flow author's Python in a process of its own."""
