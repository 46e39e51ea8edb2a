"""The panel in Jupyter, made of ipywidgets."""
