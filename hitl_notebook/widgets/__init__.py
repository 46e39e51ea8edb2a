"""The panel: its rules (models), what connects them with the client (controllers), and what is seen (views)."""
