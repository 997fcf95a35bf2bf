"""Gives a sampler graph opinions of its own samples, and finds the filter by which they teach the most."""
