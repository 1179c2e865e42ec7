"""How functions call AWS and servers that speak like it: whose account, over which connection, what refusals mean."""
