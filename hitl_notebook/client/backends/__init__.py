"""Through whose API reviews are listed, read and decided: this project's plugin's or the AI provider's."""
