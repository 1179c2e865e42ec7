"""Queries a Neo4j graph database."""
