"""Proves that the checks refuse: breaks each rule in a copy of the tree, and expects a message that names it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from checks import source_files
from checks.commit_messages import BASE_VARIABLE, MAX_SUBJECT
from checks.source_rules import MAX_FILE_LINES
from common import Failure, toml


@dataclass(frozen=True)
class Breakage:
    """A broken rule: the step of scripts/verify that must refuse it, and words of the refusal."""

    step: str
    words: str
    apply: Callable[[Path], None]


def problems(tree: Path) -> Iterator[str]:
    """Yields each breakage that was not refused, as a sentence."""
    with tempfile.TemporaryDirectory(prefix="answer-gateway-selftest-") as name:
        clean, broken = Path(name, "clean"), Path(name, "broken")
        for copy in (clean, broken):
            copy_tree(tree, copy)
        for breakage in BREAKAGES:
            breakage.apply(broken)
        for step in sorted({breakage.step for breakage in BREAKAGES}):
            before, after = _refusals(clean, step), _refusals(broken, step)
            for breakage in (one for one in BREAKAGES if one.step == step):
                if breakage.words in before:
                    yield f"step {step} says {breakage.words!r} of a tree in which that is not so"
                if breakage.words not in after:
                    yield f"step {step} does not refuse what it must: {breakage.words!r} is not in\n{after}"


def copy_tree(tree: Path, into: Path) -> None:
    """Copies every file of the project, those not yet committed too, into a repository with one commit.

    File times are not copied: cargo goes by them, and would take a file that is changed back for unchanged.
    """
    for file in source_files.listed(tree):
        target = into / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / file, target)
    _git(into, "init", "--quiet", "--initial-branch", "copy")
    _commit("Copy the tree", "A commit whose message follows the rules.")(into)
    _git(into, "tag", "base")


def _git(tree: Path, *words: str) -> None:
    identity = ("-c", "user.name=selftest", "-c", "user.email=selftest@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=tree, check=True, capture_output=True)


def _refusals(tree: Path, step: str) -> str:
    """Returns the messages of the tree's own `scripts/verify`, or nothing when it passes."""
    command: list[str | Path] = [sys.executable, tree / "scripts" / "verify", "--only", step]
    variables = {**os.environ, "CARGO_NET_OFFLINE": "true", BASE_VARIABLE: "base"}
    if step == "clippy":
        # One file with the lints and the thresholds of the workspace; to compile all of it would take minutes.
        lints = (f"-Dclippy::{name}" for name in toml(tree / "Cargo.toml")["workspace"]["lints"]["clippy"])
        command = ["clippy-driver", *lints, "--crate-type=lib", "--emit=metadata", f"--out-dir={tree}", _LONG_FILE]
        variables["CLIPPY_CONF_DIR"] = str(tree)
    done = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) and step != "clippy":
        raise Failure(f"scripts/verify --only {step} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout + done.stderr if done.returncode else ""


def _depends(crate: str, library: str) -> Callable[[Path], None]:
    head = "[dependencies]\n"
    return _replaces(f"crates/{crate}/Cargo.toml", head, f"{head}{library}.workspace = true\n")


def _writes(file: str, text: str, mode: int = 0o644) -> Callable[[Path], None]:
    def apply(tree: Path) -> None:
        (tree / file).write_text(text)
        (tree / file).chmod(mode)

    return apply


def _replaces(file: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(tree: Path) -> None:
        text = (tree / file).read_text()
        if old not in text:
            raise Failure(f"{file} has no {old!r}; correct the self-test")
        (tree / file).write_text(text.replace(old, new, 1))

    return apply


def _commit(*paragraphs: str) -> Callable[[Path], None]:
    def apply(tree: Path) -> None:
        _git(tree, "commit", "--quiet", "--allow-empty", *(word for one in paragraphs for word in ("-m", one)))

    return apply


_UNFINISHED = "TO" + "DO"
_TESTS = '#[cfg(test)]\nmod tests {\n    const BRACE: &str = "}";\n' + "    // line\n" * MAX_FILE_LINES + "}\n"
_LONG_FILE = "crates/types/src/long_function.rs"
_LONG_FUNCTION = "//! x\nfn long(mut x: u64) {\n" + "    x += 1;\n" * 59 + "}\n"
_WRITES_JOB = _writes(
    ".github/workflows/broken.yaml",
    """name: broken
on: push
jobs:
  x:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v5
      - run: scripts/absent && scripts/verify ${{ foo.bar }}
""",
)

BREAKAGES = (
    Breakage("clippy", "this function has too many lines", _writes(_LONG_FILE, _LONG_FUNCTION)),
    Breakage("commits", f"a subject of {MAX_SUBJECT + 1} characters", _commit("x" * (MAX_SUBJECT + 1), "Body.")),
    Breakage("commits", "no body with problem", _commit("Say nothing more", "Signed-off-by: A <a@example.org>")),
    Breakage("crates", "crate kafka-ingest must not depend on ws-gateway", _depends("kafka-ingest", "ws-gateway")),
    Breakage("crates", "crate ws-gateway must not use schema_registry_converter, and reaches it",
             _depends("ws-gateway", "schema_registry_converter")),
    Breakage("crates", "crate session-core must not use tokio, and reaches it", _depends("session-core", "tokio")),
    Breakage("deny", "'session-core = 0.1.0' of banned crate 'rdkafka", _depends("session-core", "rdkafka")),
    Breakage("links", "nowhere.md", _writes("docs/lost.md", "# A\n\n[x](nowhere.md#y) [z](http://z)\n")),
    Breakage("links", "#no-such-heading", _writes("docs/anchor.md", "# A\n\n[x](#no-such-heading)\n")),
    Breakage("rules", "head.rs:1 does not begin with `//!`", _writes("crates/types/src/head.rs", "fn x() {}\n")),
    Breakage("rules", f"long.rs has {MAX_FILE_LINES + 1} lines",
             _writes("crates/types/src/long.rs", "//! x\n" * (MAX_FILE_LINES + 1) + _TESTS)),
    Breakage("rules", f"unfinished.rs:2 says {_UNFINISHED}",
             _writes("crates/types/src/unfinished.rs", f"//! x\n// {_UNFINISHED}: y\n")),
    Breakage("rules", "log.rs:2 logs", _writes("crates/types/src/log.rs", '//! x\nfn x() { tracing::info!("y"); }\n')),
    Breakage("rules", "scripts/mute --help", _writes("scripts/mute", "#!/bin/sh\nexit 1\n", 0o755)),
    Breakage("rules", "`actions/checkout@v5` does not name its version", _WRITES_JOB),
    Breakage("rules", "the job x has no timeout-minutes", _WRITES_JOB),
    Breakage("rules", "names scripts/absent, which does not exist", _WRITES_JOB),
    Breakage("sabotage", "answer-sent-twice.patch does not apply",
             _replaces("crates/session-core/src/on_answer.rs", "self.send_v1(key.clone(), reply);\n", "")),
    Breakage("actions", 'undefined variable "foo"', _WRITES_JOB),
    Breakage("zizmor", "unpinned-uses", _WRITES_JOB),
    Breakage("zizmor", "excessive-permissions", _WRITES_JOB),
)  # fmt: skip
