"""Sabotage: a promise is broken on purpose in a copy of the tree, and the test that guards it must fail."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cache
import outside
import tools
from checks.selftest import copy_tree
from common import E2E, REPOSITORY, SCRIPTS, CommandFailed, Failure, output_of, run, say, toml

FOLDER = SCRIPTS / "sabotage"
_E2E_PREFIX = E2E.relative_to(REPOSITORY).as_posix() + "/"
# Pytest's exit code for "tests ran and some failed"; any other says that the test did not run as it should.
_PYTEST_FAILED = 1
# A place of its own: a crate is the same to cargo in every checkout and taken for fresh by its files' times, so in the
# folder that all checkouts share what is broken here would end up in somebody's build.
_TARGET = cache.root() / "sabotage" / "target"
_CARGO = {"CARGO_TARGET_DIR": str(_TARGET)}
_LIMIT = 900


@dataclass(frozen=True)
class Sabotage:
    """A patch, what it breaks in words, and the test that must notice."""

    patch: str
    what: str
    test: str

    @property
    def is_outside(self) -> bool:
        """Whether the test drives the binary on the real stack."""
        return self.test.startswith(_E2E_PREFIX)


def table() -> list[Sabotage]:
    """Every sabotage; the table and the patches beside it must name each other."""
    entries = [Sabotage(**entry) for entry in toml(FOLDER / "table.toml").get("sabotage", [])]
    named = {entry.patch for entry in entries}
    there = {file.name for file in FOLDER.glob("*.patch")}
    if named != there:
        raise Failure(f"{FOLDER / 'table.toml'} and the patches beside it differ: {', '.join(sorted(named ^ there))}")
    if not entries:
        raise Failure(f"{FOLDER / 'table.toml'} names no sabotage")
    return entries


def problems(tree: Path) -> Iterator[str]:
    """Each patch that does not apply to the tree, as a sentence."""
    for entry in table():
        if not _applies(entry, tree, "--check"):
            yield _stale(entry)


def run_all(folder: Path, only: str = "") -> None:
    """Runs every sabotage; fails naming those that were not caught."""
    chosen = [entry for entry in table() if only in entry.patch]
    if not chosen:
        raise Failure(f"no sabotage is called like {only!r}")
    with cache.locked(cache.root() / "locks" / "sabotage.lock", "another run of the sabotages"):
        if any(entry.is_outside for entry in chosen):
            with outside.fresh_stack(folder / "stack") as env:
                _judge(chosen, env)
        else:
            _judge(chosen, {})


def _judge(chosen: Sequence[Sabotage], env: Mapping[str, str]) -> None:
    tree = _TARGET.with_name("tree")
    clean = _fresh_copy(tree)
    problems = []
    for entry in chosen:
        if not _passes(entry, clean, env):
            problems.append(f"{entry.test} fails without any sabotage, so it shows nothing")
    for entry in chosen:
        say(f"   {entry.patch}: {entry.what}")
        copy = _fresh_copy(tree)
        _apply(entry, copy)
        if _passes(entry, copy, env):
            problems.append(f"{entry.patch} was not caught: {entry.test} passes")
        else:
            say(f"   caught by {entry.test}")
    if problems:
        raise Failure("\n".join([f"{len(problems)} of {len(chosen)} sabotages show a gap", *problems]))


def _fresh_copy(tree: Path) -> Path:
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(REPOSITORY, tree)
    modules = tree / E2E.relative_to(REPOSITORY) / "node_modules"
    modules.symlink_to(tools.e2e_node_modules())
    return tree


def _apply(entry: Sabotage, tree: Path) -> None:
    if not _applies(entry, tree):
        raise Failure(_stale(entry))


def _applies(entry: Sabotage, tree: Path, *options: str) -> bool:
    command = ["git", "apply", "--whitespace=nowarn", *options, FOLDER / entry.patch]
    return output_of(command, cwd=tree) is not None


def _stale(entry: Sabotage) -> str:
    return f"{entry.patch} does not apply to this tree any more; make it anew: {entry.what}"


def _passes(entry: Sabotage, tree: Path, env: Mapping[str, str]) -> bool:
    """Whether the test passes in that tree; anything but a clean pass or a failed test is an error."""
    return _outside_test_passes(entry, tree, env) if entry.is_outside else _unit_test_passes(entry, tree)


def _outside_test_passes(entry: Sabotage, tree: Path, env: Mapping[str, str]) -> bool:
    run(["cargo", "build", "--quiet", "--workspace", "--bins"], cwd=tree, env=_CARGO, limit=_LIMIT)
    report = tree / "report.xml"
    arguments = [entry.test.removeprefix(_E2E_PREFIX), f"--junitxml={report}"]
    try:
        outside.pytest(_TARGET / "debug" / "answer-gateway", arguments, env, tree=tree, limit=_LIMIT)
    except CommandFailed as failure:
        if failure.code != _PYTEST_FAILED or not _failed_itself(report):
            raise
        return False
    return True


def _failed_itself(report: Path) -> bool:
    """Whether pytest says so of the test; what is wrong before or after it, such as a start that fails, is an error."""
    return any(int(suite.get("failures", "0")) for suite in ElementTree.parse(report).iter("testsuite"))


def _unit_test_passes(entry: Sabotage, tree: Path) -> bool:
    crate, binary, name = entry.test.split("::", 2)
    target = ["--lib"] if binary == "lib" else ["--test", binary]
    command = ["cargo", "test", "--quiet", "--package", crate, *target]
    run([*command, "--no-run"], cwd=tree, env=_CARGO, limit=_LIMIT)
    listed = output_of([*command, "--", "--list"], cwd=tree, env=_CARGO) or ""
    if f"{name}: test" not in listed.splitlines():
        raise Failure(f"there is no test {entry.test}; mend {FOLDER / 'table.toml'}")
    try:
        run([*command, "--", "--exact", name], cwd=tree, env=_CARGO, limit=_LIMIT)
    except CommandFailed:
        return False
    return True
