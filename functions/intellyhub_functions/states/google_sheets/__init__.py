"""Reads and writes Google spreadsheets."""
