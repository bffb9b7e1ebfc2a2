"""The sufficient statistics of a mixed model: from rows, from parts, from files."""
