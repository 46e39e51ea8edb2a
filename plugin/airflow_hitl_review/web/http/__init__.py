"""What all routes have in common: who may, what is taken, how errors look."""
