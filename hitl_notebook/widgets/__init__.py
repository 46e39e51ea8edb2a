"""The panel: rules (models), connection with the client (controllers), and widgets (views)."""
