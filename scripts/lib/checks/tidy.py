"""What every file looks like: its head, its size, its functions, where it may log, where its links lead, what it
leaves undone."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from checks import rust_text
from common import Failure

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

_UNDONE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_LEVELS = "(?:trace|debug|info|warn|error|event)"
_LOG_MACRO = re.compile(rf"\btracing\s*::\s*{_LEVELS}\s*!|^use tracing::[^;]*\b{_LEVELS}\b(?!::)", re.MULTILINE)
_SOURCES = (".rs", ".py", ".sh", ".mjs", ".js", ".toml", ".yaml", ".yml", ".html")
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_ACTION = re.compile(r"\buses:\s*(?!\./)(?!\S+@[0-9a-f]{40}\s)(\S+)")
_WORKFLOWS = Path(".github/workflows")
# Its own rules are spelt out in it.
_MAY_NAME_UNDONE = Path("scripts/lib/checks/tidy.py")
_ENTRY_POINTS = ("scripts", ".ci")


def problems(tree: Path) -> Iterator[str]:
    """Each broken rule as a sentence that names file and line."""
    for file in files(tree):
        path = tree / file
        if file.suffix == ".rs":
            yield from _rust(file, path.read_text())
        if file.suffix == ".md":
            yield from _links(tree, file)
        if file.parent == _WORKFLOWS:
            yield from _actions(file, path.read_text())
        if (file.suffix in _SOURCES or is_script(path)) and file != _MAY_NAME_UNDONE:
            yield from _undone(file, path.read_text())
        if is_script(path) and file.parts[0] in _ENTRY_POINTS:
            yield from _help(tree, file)


def files(tree: Path) -> list[Path]:
    """Every file of the project, those not yet committed too, relative to the tree."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"`git ls-files` failed in {tree}: {done.stderr.strip()}")
    return sorted(Path(name) for name in set(done.stdout.split("\0")) if name and (tree / name).is_file())


def is_script(path: Path) -> bool:
    """Whether that is a program in a scripting language: executable, and it names its interpreter."""
    if not os.access(path, os.X_OK):
        return False
    with path.open("rb") as start:
        return start.read(2) == b"#!"


def python_files(tree: Path) -> list[Path]:
    """Every Python file, scripts without an ending too."""
    return [file for file in files(tree) if file.suffix == ".py" or _interpreter(tree / file) == "python3"]


def shell_files(tree: Path) -> list[Path]:
    """Every shell script."""
    return [file for file in files(tree) if file.suffix == ".sh" or _interpreter(tree / file) in ("sh", "bash")]


def _interpreter(path: Path) -> str:
    if not is_script(path):
        return ""
    return path.read_text().split("\n", 1)[0].replace("/", " ").split()[-1]


def _rust(file: Path, source: str) -> Iterator[str]:
    if not source.startswith("//!"):
        yield f"{file}:1 does not begin with `//!`: say what the file owns and must not know"
    lines = rust_text.lines_without_trailing_tests(source)
    if lines > MAX_FILE_LINES:
        yield f"{file} has {lines} lines without its tests, more than {MAX_FILE_LINES}: split it by concept"
    blanked = rust_text.without_comments_and_literals(source)
    for name, first, length in rust_text.functions(blanked):
        if length > MAX_FUNCTION_LINES:
            yield f"{file}:{first} function {name} has {length} lines, more than {MAX_FUNCTION_LINES}"
    if not _may_log(file):
        for found in _LOG_MACRO.finditer(blanked):
            line = blanked.count("\n", 0, found.start()) + 1
            yield f"{file}:{line} logs: what happens is logged and counted in the crate's events.rs only"


def _may_log(file: Path) -> bool:
    tools = file.parts[:2] in (("crates", "testkit"), ("crates", "loadgen"))
    return tools or file.name == "events.rs" or "tests" in file.parts or "examples" in file.parts


def _links(tree: Path, file: Path) -> Iterator[str]:
    for number, line in enumerate((tree / file).read_text().splitlines(), 1):
        for target in _LINK.findall(line):
            if "://" not in target and not (tree / file.parent / target).exists():
                yield f"{file}:{number} links to {target}, which is not there"


def _actions(file: Path, source: str) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(True), 1):
        for action in _ACTION.findall(line):
            yield f"{file}:{number} uses {action}: pin it by the full hash of a commit, a tag can be moved"


def _undone(file: Path, source: str) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(), 1):
        if found := _UNDONE.search(line):
            yield f"{file}:{number} says {found.group()}: do it, or open an issue"


def _help(tree: Path, file: Path) -> Iterator[str]:
    try:
        done = subprocess.run([tree / file, "--help"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        yield f"{file} does not answer --help: {problem}"
        return
    if done.returncode != 0 or "example" not in done.stdout.lower():
        yield f"{file} --help exits with {done.returncode} and must exit with 0 and show examples"
