"""Makes new records of given ones by policies: a few at once, in streams, and whole datasets as jobs."""
