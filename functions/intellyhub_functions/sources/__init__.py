"""Sources of events, one folder each."""
