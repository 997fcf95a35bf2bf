"""Kind-blind training: one loop for every family of generators, from arrays on disk to a model's files.

`configuration` and `task` need no torch and are what a service uses; `run.train` does the work, in a worker.
"""
