"""The flow language: text -> parse -> check -> compile, all pure."""
