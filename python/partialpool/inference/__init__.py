"""Small-sample inference: one file a method."""
