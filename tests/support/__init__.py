"""Helpers shared by tests: real service processes, small data made on the spot."""
