"""Trains generators, as jobs."""
