"""Clients that send what they should not, with an honest client beside them."""
