"""Writes down what a recording says."""
