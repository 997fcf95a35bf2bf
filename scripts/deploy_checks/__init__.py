"""The checks of `verify_deploy.py`: each takes the folder `deploy` and yields what is wrong."""
