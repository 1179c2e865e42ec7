"""Sends a message as a Telegram bot."""
