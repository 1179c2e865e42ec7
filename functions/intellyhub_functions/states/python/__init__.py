"""Calls a Python function of the flow, with packages of its own, in a process of its own."""
