"""Sends a mail."""
