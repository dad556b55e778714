"""Figures, measured against a running stack: nothing here passes or fails."""
