"""What runs in API servers, but for HTTP: decisions, resuming, delivery."""
