"""Jobs: a row with a state, numbered events and a lease; a worker process for each attempt.

`table` is the truth and knows only the database; `engine` claims jobs and starts workers; `worker` is the process that
runs a handler; `context` is what the handler sees; `servicer` answers for jobs on the wire.
"""
