"""Tells Telegram where to send a bot's updates, or that it is asked for them.

https://core.telegram.org/bots/api#setwebhook
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.telegram.bot_api import Bot

__all__ = ["register", "secret_of", "unregister"]

SECRET_PURPOSE = b"intellyhub telegram webhook"
MAX_CONNECTIONS = 10


def secret_of(parameters: Mapping[str, Any]) -> str:
    """What Telegram sends along with every update: `secret_token`, else one that only who has the bot's token knows."""
    written = text_of(parameters.get("secret_token")).strip()
    token = text_of(parameters.get("bot_token")).strip()
    return written or hmac.new(token.encode(), SECRET_PURPOSE, hashlib.sha256).hexdigest()


def register(bot: Bot, url: str, secret: str, kinds: Sequence[str], *, drop_waiting: bool = False) -> None:
    """Have the bot's updates sent to `url`, those that wait too. Telegram goes on sending one until it is answered
    2xx."""
    arguments = {"url": url, "secret_token": secret, "allowed_updates": list(kinds), "max_connections": MAX_CONNECTIONS}
    bot.call("setWebhook", {**arguments, "drop_pending_updates": drop_waiting})


def unregister(bot: Bot) -> None:
    """Have the updates kept until they are asked for; those that wait are not dropped."""
    bot.call("deleteWebhook", {"drop_pending_updates": False})
