"""Code that runs in workers and triggerers: operators, the review of a task, its events."""
