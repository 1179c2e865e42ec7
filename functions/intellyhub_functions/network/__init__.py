"""How functions reach the network: one pool, bounded answers, refused addresses, translated errors."""
