"""Runs the loop from data to what is worth shipping, over the other services alone."""
