"""The `synthmill` command."""

import os

# gRPC's own remarks about connections would stand among the command's lines; it reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
