"""The journal service: one process owns the database of runs, events and deliveries, and everyone asks it."""
