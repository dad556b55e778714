"""Runs the sabotages: each patch breaks a promise in a copy of the tree, and the test that guards it must fail."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cache
import end_to_end
import tools
from checks.selftest import copy_tree
from common import E2E, REPOSITORY, SCRIPTS, CommandFailed, Failure, fail_with, output_of, run, say, toml

FOLDER = SCRIPTS / "sabotage"
_E2E_PREFIX = E2E.relative_to(REPOSITORY).as_posix() + "/"
# Pytest's exit code for "tests ran and some failed"; any other means that the test did not run as it should.
_PYTEST_FAILED = 1
# A target folder of its own: cargo tells checkouts apart by file times only, so in the folder that all checkouts share
# a broken crate could end up in another build.
_TARGET = cache.root() / "sabotage" / "target"
_CARGO = {"CARGO_TARGET_DIR": str(_TARGET)}
_LIMIT = 900


@dataclass(frozen=True)
class Sabotage:
    """A patch, the promise it breaks, and the test that must fail."""

    patch: str
    what: str
    test: str

    @property
    def is_end_to_end(self) -> bool:
        """Whether the test drives the binary on the real stack."""
        return self.test.startswith(_E2E_PREFIX)

    def applies(self, tree: Path, *options: str) -> bool:
        """Applies the patch to a tree, and returns whether that succeeded."""
        command = ["git", "apply", "--whitespace=nowarn", *options, FOLDER / self.patch]
        return output_of(command, cwd=tree) is not None

    def refusal(self) -> str:
        """Returns the message about a patch that does not apply."""
        return f"{self.patch} does not apply to this tree any more; write it again: {self.what}"


def table() -> list[Sabotage]:
    """Reads table.toml, which must name exactly the patches beside it."""
    entries = [Sabotage(**entry) for entry in toml(FOLDER / "table.toml").get("sabotage", [])]
    difference = {entry.patch for entry in entries} ^ {file.name for file in FOLDER.glob("*.patch")}
    if difference:
        raise Failure(f"{FOLDER / 'table.toml'} and the patches beside it differ: {', '.join(sorted(difference))}")
    if not entries:
        raise Failure(f"{FOLDER / 'table.toml'} names no sabotage")
    return entries


def problems(tree: Path) -> Iterator[str]:
    """Yields each patch that does not apply to the tree, as a sentence."""
    for entry in table():
        if not entry.applies(tree, "--check"):
            yield entry.refusal()


def run_all(folder: Path, only: str = "") -> None:
    """Runs every sabotage whose patch contains `only`; fails naming those that no test noticed."""
    chosen = [entry for entry in table() if only in entry.patch]
    if not chosen:
        raise Failure(f"no sabotage has {only!r} in its name")
    with cache.locked(cache.root() / "locks" / "sabotage.lock", "another run of the sabotages"):
        if any(entry.is_end_to_end for entry in chosen):
            with end_to_end.fresh_stack(folder / "stack") as env:
                _run_with(chosen, env)
        else:
            _run_with(chosen, {})


def _run_with(chosen: Sequence[Sabotage], env: Mapping[str, str]) -> None:
    tree = _TARGET.with_name("tree")
    clean = _fresh_copy(tree)
    gaps = [
        f"{entry.test} fails without any sabotage, so it proves nothing"
        for entry in chosen
        if not _passes(entry, clean, env)
    ]
    for entry in chosen:
        say(f"   {entry.patch}: {entry.what}")
        copy = _fresh_copy(tree)
        if not entry.applies(copy):
            raise Failure(entry.refusal())
        if _passes(entry, copy, env):
            gaps.append(f"{entry.patch} was not noticed: {entry.test} passes")
        else:
            say(f"   noticed by {entry.test}")
    fail_with(gaps, f"{{}} gaps in {len(chosen)} sabotages")


def _fresh_copy(tree: Path) -> Path:
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(REPOSITORY, tree)
    (tree / E2E.relative_to(REPOSITORY) / "node_modules").symlink_to(tools.e2e_node_modules())
    return tree


def _passes(entry: Sabotage, tree: Path, env: Mapping[str, str]) -> bool:
    """Whether the test passes in that tree; anything but a clean pass or a failed test is an error."""
    return _end_to_end_test_passes(entry, tree, env) if entry.is_end_to_end else _unit_test_passes(entry, tree)


def _end_to_end_test_passes(entry: Sabotage, tree: Path, env: Mapping[str, str]) -> bool:
    run(["cargo", "build", "--quiet", "--workspace", "--bins"], cwd=tree, env=_CARGO, limit=_LIMIT)
    report = tree / "report.xml"
    arguments = [entry.test.removeprefix(_E2E_PREFIX), f"--junitxml={report}"]
    try:
        end_to_end.pytest(_TARGET / "debug" / "answer-gateway", arguments, env, tree=tree, limit=_LIMIT)
    except CommandFailed as failure:
        # An error before or after the test, such as a start that fails, is not a failure of the test.
        suites = ElementTree.parse(report).iter("testsuite") if failure.code == _PYTEST_FAILED else ()
        if not any(int(suite.get("failures", "0")) for suite in suites):
            raise
        return False
    return True


def _unit_test_passes(entry: Sabotage, tree: Path) -> bool:
    crate, binary, name = entry.test.split("::", 2)
    target = ["--lib"] if binary == "lib" else ["--test", binary]
    command = ["cargo", "test", "--quiet", "--package", crate, *target]
    run([*command, "--no-run"], cwd=tree, env=_CARGO, limit=_LIMIT)
    listed = output_of([*command, "--", "--list"], cwd=tree, env=_CARGO) or ""
    if f"{name}: test" not in listed.splitlines():
        raise Failure(f"there is no test {entry.test}; correct {FOLDER / 'table.toml'}")
    try:
        run([*command, "--", "--exact", name], cwd=tree, env=_CARGO, limit=_LIMIT)
    except CommandFailed:
        return False
    return True
