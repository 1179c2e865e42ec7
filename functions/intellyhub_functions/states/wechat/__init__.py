"""Sends messages to the members of a company in WeChat Work."""
