"""Indexes and searches documents in Elasticsearch or OpenSearch."""
