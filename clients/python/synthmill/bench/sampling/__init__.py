"""Measures the sampling service, beside the bare parts it is made of."""
