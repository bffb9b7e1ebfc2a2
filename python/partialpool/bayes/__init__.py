"""Priors, posterior sampling and the posterior object."""
