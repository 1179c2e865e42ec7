"""Sends messages to A2A agents."""
