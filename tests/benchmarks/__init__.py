"""Measures the budgets of the engine, side by side with other engines: `python -m tests.benchmarks`."""
