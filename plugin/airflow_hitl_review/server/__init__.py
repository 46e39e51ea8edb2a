"""API server code other than HTTP: decisions, resuming, delivery."""
