"""The site in ``docs`` agrees with the code."""
