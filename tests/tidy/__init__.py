"""Rules about the repository itself. Each guard counts what it saw, so that none goes blind."""
