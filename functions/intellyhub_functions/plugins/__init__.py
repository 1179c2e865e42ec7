"""Plugins: state types and sources that people bring, published for IntellyHub or written with `intellyhub`."""
