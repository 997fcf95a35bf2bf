"""The catalog service: which datasets and models exist, in which version, made of which files."""
