"""Measures what samples are worth: how like real records they are, what they teach, and what they give away."""
