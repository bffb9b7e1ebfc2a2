"""Small-sample inference: one file per method."""
