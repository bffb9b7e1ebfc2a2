"""Tidy, glance and augment: results as frames."""
