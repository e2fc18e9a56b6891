"""How money is asked for: the port, and its adapters."""
