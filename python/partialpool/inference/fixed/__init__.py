"""Tests of fixed effects within one model."""
