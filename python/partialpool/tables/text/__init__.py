"""Results as text, in the layout of R."""
