"""The `synthmill` command."""
