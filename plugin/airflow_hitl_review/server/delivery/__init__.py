"""Webhooks: what workers could not deliver at once, and what nobody has told yet."""
