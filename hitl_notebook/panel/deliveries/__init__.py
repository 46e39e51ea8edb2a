"""The webhooks of the open review."""
