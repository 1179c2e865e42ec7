"""The command line: `intellyhub run`, `check`, `test` and what else a person types. One module per command."""
