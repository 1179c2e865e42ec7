"""Builds: from a flow's text to an image that was checked and tested. No database, no platform."""
