"""A whole review as HTML, and its states in words. Texts themselves: ``hitl_rendering``."""
