"""Reviews: listed, decided, resumed."""
