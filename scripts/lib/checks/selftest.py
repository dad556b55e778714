"""Proves that the checks refuse: rules are broken in a copy of the tree, and each refusal must name what was broken."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from checks import tidy
from checks.tidy import MAX_FILE_LINES, MAX_FUNCTION_LINES
from common import Failure


@dataclass(frozen=True)
class Breakage:
    """One rule broken: which step must refuse it, and with which words."""

    step: str
    words: str
    apply: Callable[[Path], None]


def problems(tree: Path) -> Iterator[str]:
    """Each breakage that was not refused, as a sentence."""
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
    """A copy of everything that is the project's, those files not yet committed too, as a repository of its own.

    The copies are as new as they look: cargo goes by file times, and would take a changed back file for unchanged.
    """
    for file in tidy.files(tree):
        target = into / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / file, target)
    subprocess.run(["git", "init", "--quiet", str(into)], check=True, capture_output=True)


def _refusals(tree: Path, step: str) -> str:
    """What the tree's own `scripts/verify` says against it, or nothing when it passes."""
    done = subprocess.run(
        [sys.executable, tree / "scripts" / "verify", "--only", step],
        cwd=tree,
        env={**os.environ, "CARGO_NET_OFFLINE": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise Failure(f"scripts/verify --only {step} ended with {done.returncode}:\n{done.stderr}")
    return done.stderr if done.returncode else ""


def _depends(crate: str, library: str) -> Callable[[Path], None]:
    def apply(tree: Path) -> None:
        manifest = tree / "crates" / crate / "Cargo.toml"
        text = manifest.read_text()
        head = "[dependencies]\n"
        if head not in text:
            raise Failure(f"{manifest} has no [dependencies]; mend the self-test")
        manifest.write_text(text.replace(head, f"{head}{library}.workspace = true\n", 1))

    return apply


def _writes(file: str, text: str, mode: int = 0o644) -> Callable[[Path], None]:
    def apply(tree: Path) -> None:
        (tree / file).write_text(text)
        (tree / file).chmod(mode)

    return apply


def _replaces(file: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(tree: Path) -> None:
        text = (tree / file).read_text()
        if old not in text:
            raise Failure(f"{file} has no {old!r}; mend the self-test")
        (tree / file).write_text(text.replace(old, new))

    return apply


_UNDONE_WORD = "TO" + "DO"
_LONG_FUNCTION = "fn long() {\n" + "    x();\n" * (MAX_FUNCTION_LINES - 1) + "}\n"
_TESTS = '#[cfg(test)]\nmod tests {\n    const BRACE: &str = "}";\n' + "    // line\n" * MAX_FILE_LINES + "}\n"

BREAKAGES = (
    Breakage("arrows", "arrow kafka-ingest -> ws-gateway", _depends("kafka-ingest", "ws-gateway")),
    Breakage("arrows", "crate kafka-ingest must not know warp", _depends("kafka-ingest", "warp")),
    Breakage("arrows", "crate session-core must not know tokio", _depends("session-core", "tokio")),
    Breakage("deny", "'session-core = 0.1.0' of banned crate 'rdkafka", _depends("session-core", "rdkafka")),
    Breakage("tidy", "head.rs:1 does not begin with `//!`", _writes("crates/types/src/head.rs", "fn x() {}\n")),
    Breakage(
        "tidy",
        f"long.rs has {MAX_FILE_LINES + 1} lines",
        _writes("crates/types/src/long.rs", "//! x\n" * (MAX_FILE_LINES + 1) + _TESTS),
    ),
    Breakage(
        "tidy",
        f"function.rs:2 function long has {MAX_FUNCTION_LINES + 1} lines",
        _writes("crates/types/src/function.rs", f"//! x\n{_LONG_FUNCTION}"),
    ),
    Breakage(
        "tidy",
        f"undone.rs:2 says {_UNDONE_WORD}",
        _writes("crates/types/src/undone.rs", f"//! x\n// {_UNDONE_WORD}: y\n"),
    ),
    Breakage(
        "tidy",
        "log.rs:2 logs",
        _writes("crates/types/src/log.rs", '//! x\nfn x() { tracing::info!("y"); }\n'),
    ),
    Breakage("tidy", "lost.md:1 links to nowhere.md", _writes("docs/lost.md", "[x](nowhere.md#y) [z](http://z)\n")),
    Breakage(
        "tidy",
        "tagged.yaml:1 uses actions/checkout@v5",
        _writes(".github/workflows/tagged.yaml", "- uses: actions/checkout@v5 # v5\n"),
    ),
    Breakage(
        "sabotage",
        "answer-sent-twice.patch does not apply",
        _replaces("crates/session-core/src/on_answer.rs", "self.send(key.clone(), reply);\n", ""),
    ),
    Breakage("tidy", "scripts/mute --help", _writes("scripts/mute", "#!/bin/sh\nexit 1\n", 0o755)),
)
