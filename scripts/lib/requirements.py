"""Installs what each script needs on a machine: by apt, by rustup, or into the cache folder."""

import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import cache
from common import EXIT_SETUP, REPOSITORY, Failure, output_of, run, say, toml
from tools import TOOLS, VERSIONS, e2e_node_modules


@dataclass(frozen=True)
class Need:
    """A program, header or version that a machine has or lacks."""

    what: str
    is_present: Callable[[], bool]
    debian: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True)
class Purpose:
    """The needs of a script on the machine, and its tools in the cache folder."""

    needs: tuple[Need, ...]
    tools: tuple[str, ...] = ()
    rust: bool = True


def ensure(purpose_name: str, without: Collection[str] = ()) -> None:
    """Installs what a purpose lacks and names it first; prints nothing when nothing is missing.

    `without` names tools that are not needed this time.
    """
    purpose = PURPOSES[purpose_name]
    missing = [need for need in purpose.needs if not need.is_present()]
    by_hand = [need for need in missing if not need.debian]
    if by_hand:
        lines = "".join(f"\n  {need.what}: {need.advice}" for need in by_hand)
        raise Failure(f"this machine lacks what the scripts cannot install:{lines}", EXIT_SETUP)
    _install_packages(missing)
    if purpose.rust:
        _install_toolchain()
    wanted = [TOOLS[name] for name in purpose.tools if name not in without]
    absent = [tool.folder for tool in wanted if not tool.is_installed]
    if absent:
        say(f"to be installed into {cache.root()}: {', '.join(absent)}")
    for tool in wanted:
        tool.install()
    if "e2e-node" in purpose.tools:
        e2e_node_modules()


def _program(name: str, *packages: str, advice: str = "", path: str = "") -> Need:
    return Need(name, lambda: bool(shutil.which(name) or (path and Path(path).exists())), packages, advice)


def _library(what: str, module: str, package: str) -> Need:
    return Need(what, lambda: output_of(["pkg-config", "--exists", module]) is not None, (package,))


def _version(command: str, pattern: str) -> tuple[int, ...]:
    """Returns the numbers of the version that a command prints, or nothing."""
    found = re.search(pattern, output_of(["sh", "-c", f"{command} 2>&1"]) or "")
    return tuple(int(number) for number in found.groups()) if found else ()


_GO_VERSION = tuple(int(number) for number in VERSIONS["go"].split(".")[:2])
_GIT = _program("git", "git")
_COMPILER = (
    _program("rustup", advice="Rust comes from https://rustup.rs; then run this again"),
    *(_program(name, name) for name in ("g++", "make", "cmake", "pkg-config")),
    _library("OpenSSL headers", "openssl", "libssl-dev"),
    _library("zlib headers", "zlib", "zlib1g-dev"),
)
_STACK = (
    Need("Java 17 or newer", lambda: _version("java -version", r'"(\d+)') >= (17,), ("default-jdk-headless",)),
    _program("mvn", "maven"),
    *(_program(name, name) for name in ("openssl", "kcat")),
    _program("nginx", "nginx", path="/usr/sbin/nginx"),
)
_VENV = Need("Python's venv", lambda: importlib.util.find_spec("ensurepip") is not None, ("python3-venv",))
_CLIENTS = (
    Need("Node 20 or newer", lambda: _version("node --version", r"v(\d+)") >= (20,),
         advice="from https://nodejs.org; Debian 12 has 18 only"),
    _program("npm", advice="comes with Node from https://nodejs.org"),
    _program("chromium", "chromium"),
    _program("chromedriver", "chromium-driver"),
)  # fmt: skip
_GO = Need(
    f"Go {'.'.join(map(str, _GO_VERSION))} or newer",
    lambda: _version("go version", r"go(\d+)\.(\d+)") >= _GO_VERSION,
    advice="from https://go.dev; Debian 12 has 1.19 only",
)
_FAKETIME = Need("libfaketime", lambda: faketime() is not None, ("faketime",))
_IMAGE = (_program("debootstrap", "debootstrap"), _program("systemd-analyze", "systemd"))
_PROMETHEUS = (_program("promtool", "prometheus"), _program("prometheus", "prometheus"))
_CHAOS = (*_COMPILER, *_STACK, _VENV, _GO, _FAKETIME)
_TEST = (_GIT, *_CHAOS, *_CLIENTS, *_PROMETHEUS, *_IMAGE)

_VERIFY_TOOLS = ("lint", "actionlint", "cargo-deny")
_CHAOS_TOOLS = ("kafka", "apicurio", "e2e-python", "toxiproxy")
_TEST_TOOLS = (*_VERIFY_TOOLS, *_CHAOS_TOOLS, "e2e-node", "cargo-fuzz", "collector", "helm", "crds")

PURPOSES = {
    "demo": Purpose(_COMPILER),
    "stack": Purpose(_STACK, ("kafka", "apicurio"), rust=False),
    "chaos": Purpose(_CHAOS, _CHAOS_TOOLS),
    "chart": Purpose((*_COMPILER, _VENV, _GO), ("e2e-python", "helm", "crds")),
    "measure": Purpose((*_CHAOS, *_PROMETHEUS), (*_CHAOS_TOOLS, "collector")),
    "image": Purpose((*_COMPILER, *_IMAGE)),
    "release": Purpose((_GO,), ("helm",), rust=False),
    "observe": Purpose(_PROMETHEUS, rust=False),
    "verify": Purpose((_GIT, *_COMPILER, _VENV, _GO), _VERIFY_TOOLS),
    "test": Purpose(_TEST, _TEST_TOOLS),
    "nightly": Purpose(_TEST, (*_TEST_TOOLS, "cargo-mutants")),
}


def faketime() -> Path | None:
    """Returns the library that gives a process another wall clock."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def _install_packages(missing: list[Need]) -> None:
    packages = sorted({package for need in missing for package in need.debian})
    if not packages:
        return
    # RUNLEVEL=1 keeps Debian from starting nginx and Prometheus as services of the machine.
    line = f"apt-get update && RUNLEVEL=1 apt-get install --yes --no-install-recommends {' '.join(packages)}"
    lacks = f"this machine lacks {', '.join(need.what for need in missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure(
            f"{lacks}; run this once (Debian), then the same script again:\n  sudo sh -c '{line}'", EXIT_SETUP
        )
    say(f"{lacks}; installing the Debian packages {' '.join(packages)}")
    with cache.locked(cache.root() / "locks" / "apt.lock", "another run of apt-get"):
        log = cache.root() / "apt.log"
        run(["sh", "-c", line], env={"DEBIAN_FRONTEND": "noninteractive"}, log=log)
    still = [need.what for need in missing if not need.is_present()]
    if still:
        raise Failure(f"still missing after the installation: {', '.join(still)}; see {log}", EXIT_SETUP)


def _install_toolchain() -> None:
    wanted = toml(REPOSITORY / "rust-toolchain.toml")["toolchain"]
    channel, components = wanted["channel"], wanted["components"]
    present = output_of(["rustup", "component", "list", "--installed", "--toolchain", channel])
    if present is not None and all(any(line.startswith(part) for line in present.split()) for part in components):
        return
    say(f"installing Rust {channel} with {', '.join(components)} by rustup")
    parts = [word for part in components for word in ("--component", part)]
    command = ["rustup", "toolchain", "install", channel, "--profile", "minimal", *parts]
    run(command, hint="Is static.rust-lang.org reachable?")
