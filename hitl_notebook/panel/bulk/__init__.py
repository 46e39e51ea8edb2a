"""Deciding several reviews at once."""
