"""Code shared by all routes: authorization, request limits, error responses."""
