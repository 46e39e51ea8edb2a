"""Checks of what is released: the wheel and the sdist, as those get them who install them."""
