"""Runs the fuzz targets of every crate for a limited time, starting from their committed seeds."""

from pathlib import Path

import tools
from common import REPOSITORY, Failure, run, say, toml


def manifests() -> list[Path]:
    """Returns the manifests of the fuzz targets, each a workspace of its own."""
    return sorted(REPOSITORY.glob("crates/*/fuzz/Cargo.toml"))


def fmt_all(*options: str) -> None:
    """Runs rustfmt on the workspace and on the fuzz targets."""
    for workspace in ["--all"], *(["--manifest-path", manifest] for manifest in manifests()):
        run(["cargo", "fmt", *workspace, *options], hint="scripts/fix formats.")


def run_all(seconds_each: int, corpus: Path) -> None:
    """Fuzzes every target; new inputs are kept in `corpus`, a crash in the crate's `fuzz/artifacts`."""
    targets = [
        (manifest.parent, target.stem)
        for manifest in manifests()
        for target in sorted((manifest.parent / "fuzz_targets").glob("*.rs"))
    ]
    if not targets:
        raise Failure("no crate has fuzz targets: crates/*/fuzz/fuzz_targets/*.rs")
    for folder in sorted({folder for folder, _ in targets}):
        _check_lock_file(folder)
    for folder, target in targets:
        say(f"   {folder.parent.name}: {target} for {seconds_each} s")
        _run(folder, target, seconds_each, corpus / target)


def _check_lock_file(folder: Path) -> None:
    """Checks that libraries in both lock files have the same versions, so that what is fuzzed is what is shipped."""
    shipped, fuzzed = _versions(REPOSITORY), _versions(folder)
    if different := sorted(name for name in shipped.keys() & fuzzed.keys() if not fuzzed[name] <= shipped[name]):
        lock = (folder / "Cargo.lock").relative_to(REPOSITORY)
        line = f"cp Cargo.lock {lock} && cargo metadata --format-version 1 --manifest-path {lock.with_suffix('.toml')}"
        raise Failure(f"{lock} has other versions than Cargo.lock of {', '.join(different)}; run: {line}")


def _versions(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in toml(folder / "Cargo.lock")["package"]:
        found.setdefault(package["name"], set()).add(package["version"])
    return found


def _run(folder: Path, target: str, seconds: int, corpus: Path) -> None:
    seeds, words = folder / "seeds" / target, folder / "dictionaries" / f"{target}.dict"
    found = folder / "artifacts" / target
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    # The stable toolchain has no sanitizers: a panic, a hang or too much memory is what fuzzing can find.
    command = ["cargo", "fuzz", "run", "--sanitizer", "none", "--fuzz-dir", folder, target, corpus]
    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-timeout=5", "-print_final_stats=1", "-verbosity=0"]
    limits += [f"-dict={words}"] if words.is_file() else []
    own_target = {"RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": str(tools.cargo_target() / "fuzz")}
    run(
        [*command, *([seeds] if seeds.is_dir() else []), "--", *limits, f"-artifact_prefix={found}/"],
        cwd=folder.parent,
        env={**own_target, **tools.path_with("cargo-fuzz")},
        limit=seconds + 900,
        hint=f"The input is in {found}; make it a test before the fix.",
    )
