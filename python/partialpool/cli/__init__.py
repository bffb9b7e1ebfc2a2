"""The command `partialpool`."""
