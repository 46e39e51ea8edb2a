"""Renders a whole review as HTML and describes its state. ``hitl_rendering`` renders the texts."""
