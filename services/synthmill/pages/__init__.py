"""What reports are drawn with: axes, numerals, charts, a style; each report is a page of its own service."""
