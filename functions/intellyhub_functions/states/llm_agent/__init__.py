"""Asks a large language model, which may use tools, remember, and answer in a given shape."""
