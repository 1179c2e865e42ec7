"""The Telegram Bot API: what the telegram-bot state and the telegram source have in common."""
