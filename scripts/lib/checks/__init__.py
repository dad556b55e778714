"""Checks of the source tree that no compiler or linter makes."""
