"""Texts of models and people as HTML that is safe to show: outputs, what changed in them, a whole review."""
