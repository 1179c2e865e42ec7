"""Runs one flow: reads its text, steps its machine, keeps its journal and serves its events."""
