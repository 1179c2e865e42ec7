"""What flows are made of: the state types and the sources, one folder each."""
