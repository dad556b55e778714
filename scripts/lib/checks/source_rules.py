"""Checks heads, sizes and logging of Rust files, workflows, unfinished work, and that every script has --help."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from checks import source_files

MAX_FILE_LINES = 400

_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_LEVELS = "(?:trace|debug|info|warn|error|event)"
_LOG_MACRO = re.compile(rf"\btracing\s*::\s*{_LEVELS}\s*!|^use tracing::[^;]*\b{_LEVELS}\b(?!::)", re.MULTILINE)
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
# rustfmt puts the last brace of a module into the first column.
_TRAILING_TESTS = re.compile(
    r"^#\[cfg\((?:all\()?test\b[^\n]*\n(?:#\[[^\n]*\n)*mod \w+ \{\n(?:(?!\}\n).*\n)*\}\n*\Z", re.M
)
_SOURCES = (".rs", ".py", ".sh", ".mjs", ".js", ".toml", ".yaml", ".yml", ".html")
_THIS_FILE = Path("scripts/lib/checks/source_rules.py")
_ENTRY_POINTS = ("scripts", ".ci")
_TEST_CRATES = (("crates", "testkit"), ("crates", "loadgen"))


def problems(tree: Path) -> Iterator[str]:
    """Yields each broken rule as a sentence that names file and line."""
    for file in source_files.listed(tree):
        path = tree / file
        is_script = bool(source_files.interpreter(path))
        if file.suffix == ".rs":
            yield from _rust(file, path.read_text())
        if file.parts[:2] == (".github", "workflows"):
            yield from _workflow(tree, file, path.read_text())
        if (file.suffix in _SOURCES or is_script) and file != _THIS_FILE:
            yield from _unfinished(file, path.read_text())
        if is_script and file.parts[0] in _ENTRY_POINTS:
            yield from _help(tree, file)


def _rust(file: Path, source: str) -> Iterator[str]:
    if not source.startswith("//!"):
        yield f"{file}:1 does not begin with `//!`: say what the file owns and must not know"
    lines = _TRAILING_TESTS.sub("", source).count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{file} has {lines} lines without its tests, more than {MAX_FILE_LINES}: split it by concept"
    if file.parts[:2] in _TEST_CRATES or file.name == "events.rs" or {"tests", "examples"} & set(file.parts):
        return
    code = _COMMENT.sub("", source)
    for found in _LOG_MACRO.finditer(code):
        line = code.count("\n", 0, found.start()) + 1
        yield f"{file}:{line} logs: only the crate's events.rs logs and counts"


def _workflow(tree: Path, file: Path, text: str) -> Iterator[str]:
    """Yields what actionlint and zizmor leave unchecked."""
    for used in re.findall(r"^\s*-? ?uses: (?!\./)(.*)$", text, re.MULTILINE):
        if not re.search(r" # v[\d.]+$", used):
            yield f"{file}: `{used}` does not name its version in a comment"
    for job in re.split(r"^  (?=[\w-]+:$)", text.partition("\njobs:\n")[2], flags=re.MULTILINE)[1:]:
        if "timeout-minutes:" not in job:
            yield f"{file}: the job {job.partition(':')[0]} has no timeout-minutes"
    for script in re.findall(r"(?<![\w./-])((?:scripts|\.ci|deploy)/[\w./-]+)", text):
        if not (tree / script.rstrip(".")).exists():
            yield f"{file} names {script}, which does not exist"


def _unfinished(file: Path, source: str) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(), 1):
        if found := _UNFINISHED.search(line):
            yield f"{file}:{number} says {found.group()}: do it, or open an issue"


def _help(tree: Path, file: Path) -> Iterator[str]:
    try:
        done = subprocess.run([tree / file, "--help"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        yield f"{file} does not answer --help: {problem}"
        return
    if done.returncode != 0 or "example" not in done.stdout.lower():
        yield f"{file} --help exits with {done.returncode} and must exit with 0 and show examples"
