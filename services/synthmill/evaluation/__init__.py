"""Measures what a model's samples, or a dataset's records, are worth, as jobs."""
