"""A review as a conversation of AG-UI 1.0 (https://docs.ag-ui.com): thread is review, run is one look or answer."""
