"""Draws a loop, and each of its rounds, as HTML files that need nothing beside themselves."""

from synthmill.pipeline.report.page import Facts, render_loop, render_round

__all__ = ["Facts", "render_loop", "render_round"]
