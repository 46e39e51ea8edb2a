"""The open review."""
