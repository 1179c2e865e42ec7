"""Watches a bucket: by looking at it, or by the notifications that it sends to a queue."""
