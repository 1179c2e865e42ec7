"""State types, one folder each."""
