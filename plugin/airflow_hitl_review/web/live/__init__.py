"""Live updates: one watcher per API server process looks at the database for all pages that are open on it."""
