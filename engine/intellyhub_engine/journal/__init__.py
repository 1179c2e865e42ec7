"""The durable record of runs and their steps."""
