"""Runs a compiled flow step by step; knows no database, no network and no clock of its own."""
