"""Estimated marginal means and trends."""
