"""Measurements against a running stack: they print figures, and nothing passes or fails."""
