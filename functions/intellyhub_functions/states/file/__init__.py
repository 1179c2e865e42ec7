"""Reads, writes and moves files of the workspace."""
