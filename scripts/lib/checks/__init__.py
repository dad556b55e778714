"""The rules of the source tree that no compiler holds: which crate may know which, and what a file looks like."""
