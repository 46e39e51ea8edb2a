"""Pages and parts of pages that are made of the code, and what the site does with links to source files."""
