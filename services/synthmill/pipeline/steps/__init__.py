"""The steps of the loop: each reads a version that the catalog has, and makes the next."""
