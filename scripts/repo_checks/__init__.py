"""The checks of `verify_repo.py`: each takes the repository's files and yields what is wrong."""
