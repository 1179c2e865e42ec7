"""Finds public LinkedIn pages, and posts through LinkedIn's official API."""
