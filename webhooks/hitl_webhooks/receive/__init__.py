"""Receiving events: verifying requests, reading events and detecting duplicates."""
