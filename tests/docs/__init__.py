"""What the documents say, run as typed."""
