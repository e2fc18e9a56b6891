"""What happened to an account, told: the feed and webhooks."""
