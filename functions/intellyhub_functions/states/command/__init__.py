"""Runs Python, a shell script, an HTTP request, an MQTT publication or an e-mail."""
