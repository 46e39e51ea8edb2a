"""The pages for people: one review, and the list. Made on the server, to be read without JavaScript too."""
