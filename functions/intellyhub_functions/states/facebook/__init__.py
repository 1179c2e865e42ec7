"""Publishes on a Facebook page, reads its comments and insights."""
