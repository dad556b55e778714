"""Runs the fuzz targets of every crate that has some, for a bounded time, starting from their committed seeds."""

from pathlib import Path

import tools
from common import REPOSITORY, Failure, run, say


def run_all(seconds_each: int, corpus: Path) -> None:
    """Fuzzes every target; what is found in new inputs is kept in `corpus`, a crash stays beside the target's seeds."""
    targets = [
        (folder, target.stem)
        for folder in sorted(REPOSITORY.glob("crates/*/fuzz"))
        for target in sorted((folder / "fuzz_targets").glob("*.rs"))
    ]
    if not targets:
        raise Failure("no crate has fuzz targets: crates/*/fuzz/fuzz_targets/*.rs")
    for folder, target in targets:
        say(f"   {folder.parent.name}: {target} for {seconds_each} s")
        _run(folder, target, seconds_each, corpus / target)


def _run(folder: Path, target: str, seconds: int, corpus: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = folder / "seeds" / target
    found = folder / "artifacts" / target
    found.mkdir(parents=True, exist_ok=True)
    # The stable toolchain has no sanitizers; a panic, a hang or too much memory is what is looked for.
    command = ["cargo", "fuzz", "run", "--sanitizer", "none", "--fuzz-dir", folder, target, corpus]
    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-timeout=5", "-print_final_stats=1", "-verbosity=0"]
    own_target = {"RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": str(tools.cargo_target() / "fuzz")}
    run(
        [*command, *([seeds] if seeds.is_dir() else []), "--", *limits, f"-artifact_prefix={found}/"],
        cwd=folder.parent,
        env={**own_target, **tools.on_path("cargo-fuzz")},
        limit=seconds + 900,
        hint=f"What it found is in {found}; make it a test before it is mended.",
    )
