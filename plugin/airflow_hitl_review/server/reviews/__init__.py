"""Reviews: listing, decisions, resuming the task."""
