"""Sending events: endpoints, formats, attempts and what is still to be sent."""
