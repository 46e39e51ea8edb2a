"""Live updates: one watcher per API server process polls the database for all pages open on it."""
