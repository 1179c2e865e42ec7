"""Doubles of the services that functions talk to, for tests, examples and the demonstration; they speak HTTP."""
