"""What is checked of one crate, without the others' help."""

import tools
from common import REPOSITORY, Failure, run, toml

_CRATES = REPOSITORY / "crates"


def names() -> list[str]:
    """Every crate of the workspace."""
    return sorted(toml(folder / "Cargo.toml")["package"]["name"] for folder in _CRATES.iterdir() if folder.is_dir())


def _cargo(crate: str, *words: str, **environment: str) -> None:
    command, *rest = words
    run(
        ["cargo", command, "--package", crate, *tools.locked(), *rest],
        env={**tools.cargo_environment(), **environment},
    )


def fmt(crate: str) -> None:
    """As rustfmt writes it."""
    run(["cargo", "fmt", "--package", crate, "--check"])


def clippy(crate: str) -> None:
    """Clippy with the workspace's rules."""
    _cargo(crate, "clippy", "--all-targets", "--", "-D", "warnings")


def test(crate: str) -> None:
    """Its own tests."""
    _cargo(crate, "test")


def docs(crate: str) -> None:
    """Its documentation, without a broken link."""
    _cargo(crate, "doc", "--no-deps", RUSTDOCFLAGS="-D warnings")


def msrv(crate: str) -> None:
    """With the oldest Rust it promises to build with: rust-toolchain.toml names no newer one."""
    promised = toml(REPOSITORY / "Cargo.toml")["workspace"]["package"]["rust-version"]
    used = toml(REPOSITORY / "rust-toolchain.toml")["toolchain"]["channel"]
    if not f"{used}.".startswith(f"{promised}."):
        raise Failure(f"Cargo.toml promises Rust {promised}, and rust-toolchain.toml builds with {used}")
    _cargo(crate, "check")


CHECKS = {
    "fmt": ("rustfmt", fmt),
    "clippy": ("clippy, warnings are errors", clippy),
    "test": ("cargo test", test),
    "docs": ("rustdoc, warnings are errors", docs),
    "msrv": ("with the Rust that Cargo.toml promises", msrv),
}
