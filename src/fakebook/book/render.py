"""Render the pages."""
