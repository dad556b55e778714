"""Lists the files of a source tree by kind."""

import os
from pathlib import Path

from common import Failure, output_of


def listed(tree: Path) -> list[Path]:
    """Returns every file of the project relative to the tree, those not yet committed too."""
    names = output_of(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=tree)
    if names is None:
        raise Failure(f"`git ls-files` failed in {tree}; the scripts need a checkout")
    return sorted(Path(name) for name in set(names.split("\0")) if name and (tree / name).is_file())


def interpreter(path: Path) -> str:
    """Returns the interpreter of an executable script, such as `bash`; empty for any other file."""
    if not os.access(path, os.X_OK):
        return ""
    with path.open("rb") as start:
        line = start.readline().decode(errors="replace")
    return line.replace("/", " ").split()[-1] if line.startswith("#!") else ""


def scripts(tree: Path, ending: str, *interpreters: str) -> list[Path]:
    """Returns every file with that ending, and every script without one that such an interpreter runs."""
    files = listed(tree)
    return [file for file in files if file.suffix == ending or interpreter(tree / file) in interpreters]
