"""Webhooks: events that workers could not deliver at once, and final events of orphaned reviews."""
