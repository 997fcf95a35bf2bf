"""What a service tells of itself when somebody asks how it is doing.

`servicer` answers StatusService: what every process knows of itself, and what else the service's `Assembly` reports.
`resident` knows the memory of processes, `devices` the GPUs; `combining` makes one answer of several.
"""
