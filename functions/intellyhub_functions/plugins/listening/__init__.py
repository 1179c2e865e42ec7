"""Plugins' listeners: each runs in a process of its own, and hands over events."""
