"""Runs the fuzz targets of every crate that has some, for a bounded time, starting from their committed seeds."""

from pathlib import Path

import tools
from common import REPOSITORY, Failure, run, say, toml


def manifests() -> list[Path]:
    """The manifests of the fuzz targets, each a workspace of its own."""
    return sorted(REPOSITORY.glob("crates/*/fuzz/Cargo.toml"))


def run_all(seconds_each: int, corpus: Path) -> None:
    """Fuzzes every target; what is found in new inputs is kept in `corpus`, a crash stays beside the target's seeds."""
    targets = [
        (folder, target.stem)
        for folder in (manifest.parent for manifest in manifests())
        for target in sorted((folder / "fuzz_targets").glob("*.rs"))
    ]
    if not targets:
        raise Failure("no crate has fuzz targets: crates/*/fuzz/fuzz_targets/*.rs")
    for folder in sorted({folder for folder, _ in targets}):
        _same_libraries(folder)
    for folder, target in targets:
        say(f"   {folder.parent.name}: {target} for {seconds_each} s")
        _run(folder, target, seconds_each, corpus / target)


def _same_libraries(folder: Path) -> None:
    """What is fuzzed is what is shipped: both lock files have the same versions of the libraries that both have."""
    shipped, fuzzed = _versions(REPOSITORY), _versions(folder)
    different = sorted(name for name in shipped.keys() & fuzzed.keys() if not fuzzed[name] <= shipped[name])
    if different:
        lock = (folder / "Cargo.lock").relative_to(REPOSITORY)
        line = f"cp Cargo.lock {lock} && cargo metadata --format-version 1 --manifest-path {lock.with_suffix('.toml')}"
        raise Failure(f"{lock} has other versions than Cargo.lock of {', '.join(different)}; mend it: {line}")


def _versions(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in toml(folder / "Cargo.lock")["package"]:
        found.setdefault(package["name"], set()).add(package["version"])
    return found


def _run(folder: Path, target: str, seconds: int, corpus: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = folder / "seeds" / target
    found = folder / "artifacts" / target
    found.mkdir(parents=True, exist_ok=True)
    # The stable toolchain has no sanitizers; a panic, a hang or too much memory is what is looked for.
    command = ["cargo", "fuzz", "run", "--sanitizer", "none", "--fuzz-dir", folder, target, corpus]
    words = folder / "dictionaries" / f"{target}.dict"
    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-timeout=5", "-print_final_stats=1", "-verbosity=0"]
    if words.is_file():
        limits.append(f"-dict={words}")
    own_target = {"RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": str(tools.cargo_target() / "fuzz")}
    run(
        [*command, *([seeds] if seeds.is_dir() else []), "--", *limits, f"-artifact_prefix={found}/"],
        cwd=folder.parent,
        env={**own_target, **tools.on_path("cargo-fuzz")},
        limit=seconds + 900,
        hint=f"What it found is in {found}; make it a test before it is mended.",
    )
