"""Checks the messages of a change's commits: a subject of at most 60 characters, and a body."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from common import Failure, output_of

MAX_SUBJECT = 60
# Where a change begins, for CI: a branch, a tag or a hash.
BASE_VARIABLE = "COMMITS_SINCE"
# What CI checks out for a pull request; in a shallow clone it does not look like a merge.
_TEST_MERGE = re.compile(r"Merge [0-9a-f]{40} into [0-9a-f]{40}")
_TRAILER = re.compile(r"[A-Z][\w-]+: .+")


def problems(tree: Path) -> Iterator[str]:
    """Yields each broken rule as a sentence that names the commit."""
    log = output_of(["git", "log", "--no-merges", "--format=%h%x00%B%x01", *_commits(tree)], cwd=tree)
    if log is None:
        raise Failure(f"`git log` failed in {tree}; the scripts need a checkout with a commit")
    for entry in log.split("\x01")[:-1]:
        commit, _, message = entry.strip().partition("\0")
        subject, *rest = message.strip().splitlines() or [""]
        if _TEST_MERGE.fullmatch(subject):
            continue
        if len(subject) > MAX_SUBJECT:
            yield f"commit {commit} has a subject of {len(subject)} characters, more than {MAX_SUBJECT}: {subject}"
        if rest and rest[0]:
            yield f"commit {commit} has no empty line below its subject: {subject}"
        if not any(line.strip() and not _TRAILER.fullmatch(line) for line in rest):
            yield f"commit {commit} has no body with problem, solution and how it was checked: {subject}"


def _commits(tree: Path) -> list[str]:
    """Returns the arguments of `git log` for the commits since the base; for the last one where no base is known."""
    head = output_of(["git", "rev-parse", "HEAD"], cwd=tree)
    for base in (os.environ.get(BASE_VARIABLE), "origin/main", "main"):
        merge_base = base and output_of(["git", "merge-base", base, "HEAD"], cwd=tree)
        if merge_base and merge_base != head:
            return [f"{merge_base}..HEAD"]
    return ["-1"]
