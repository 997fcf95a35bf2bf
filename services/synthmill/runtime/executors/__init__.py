"""Where work is done: by processes of this machine, or on the nodes of a Ray cluster.

`names` has the words for it, and needs nothing; `cluster` connects to a cluster of Ray, and imports Ray only then.
"""
