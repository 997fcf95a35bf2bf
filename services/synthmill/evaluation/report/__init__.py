"""Draws the findings of an evaluation as one HTML file that needs nothing beside itself."""

from synthmill.evaluation.report.page import render_report

__all__ = ["render_report"]
