"""The HTML pages: one review, and the list. Rendered on the server, so readable without JavaScript too."""
