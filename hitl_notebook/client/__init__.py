"""The REST client: no widgets."""
