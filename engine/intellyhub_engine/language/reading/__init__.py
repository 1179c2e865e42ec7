"""A flow text as plain values, and where each of them stands."""
