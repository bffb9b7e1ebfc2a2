"""Data from a design, coefficients and covariance; power by simulation."""
