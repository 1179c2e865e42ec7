"""Feeds as values: what the rss_reader state and the rss source have in common."""
