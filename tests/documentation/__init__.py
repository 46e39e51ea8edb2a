"""The site in ``docs`` says what the code says."""
