"""What each purpose needs on the machine, and how it comes there: by apt, by rustup, or into the cache folder."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import cache
import java
import tools
from common import EXIT_SETUP, REPOSITORY, Failure, output_of, run, say, toml


@dataclass(frozen=True)
class Need:
    """Something a machine has or lacks: a program, headers, a version."""

    what: str
    is_there: Callable[[], bool]
    debian: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True)
class Purpose:
    """What a script wants to do, what it needs on the machine and what it keeps in the cache folder."""

    needs: tuple[Need, ...]
    tools: tuple[str, ...] = ()
    rust: bool = True


def ensure(purpose_name: str, without: Collection[str] = ()) -> None:
    """Installs what is missing for a purpose and says so first; says nothing when everything is there. `without`
    names tools that this once are not wanted."""
    purpose = PURPOSES[purpose_name]
    wanted = [tool for tool in purpose.tools if tool not in without]
    missing = [need for need in purpose.needs if not need.is_there()]
    by_hand = [need for need in missing if not need.debian]
    if by_hand:
        lines = "".join(f"\n  {need.what}: {need.advice}" for need in by_hand)
        raise Failure(f"this machine lacks what cannot be installed from here:{lines}", EXIT_SETUP)
    _install_packages(missing)
    if purpose.rust:
        _install_toolchain()
    lacking = [tool for tool in wanted if not cache.is_installed(tools.installed_name(tool))]
    if lacking:
        say(f"to be installed into {cache.root()}: {', '.join(tools.installed_name(tool) for tool in lacking)}")
    for tool in wanted:
        tools.INSTALLERS[tool]()


def _program(name: str, *packages: str, advice: str = "", beside: str = "") -> Need:
    return Need(name, lambda: bool(shutil.which(name) or (beside and Path(beside).exists())), packages, advice)


def _library(what: str, module: str, package: str) -> Need:
    return Need(what, lambda: output_of(["pkg-config", "--exists", module]) is not None, (package,))


def _go_is_new_enough() -> bool:
    # go version go1.26.8 linux/amd64
    words = (output_of(["go", "version"]) or "").split()
    version = words[2].removeprefix("go").split(".") if len(words) > 2 else []
    numbers = [int(word) for word in version[:2] if word.isdigit()]
    return numbers >= [1, 26]


def _node_is_new_enough() -> bool:
    major = (output_of(["node", "--version"]) or "v0").removeprefix("v").split(".")[0]
    return major.isdigit() and int(major) >= 20


_GIT = _program("git", "git")
_COMPILER = (
    _program("rustup", advice="Rust comes from https://rustup.rs; then run this again"),
    _program("g++", "g++"),
    _program("make", "make"),
    _program("cmake", "cmake"),
    _program("pkg-config", "pkg-config"),
    _library("OpenSSL headers", "openssl", "libssl-dev"),
    _library("zlib headers", "zlib", "zlib1g-dev"),
)
_STACK = (
    Need("Java 17 or newer", lambda: (java.version() or 0) >= 17, ("default-jdk-headless",)),
    _program("mvn", "maven"),
    _program("openssl", "openssl"),
    _program("kcat", "kcat"),
    _program("nginx", "nginx", beside="/usr/sbin/nginx"),
)
_PYTHON_VENV = Need("Python's venv", lambda: importlib.util.find_spec("ensurepip") is not None, ("python3-venv",))
_OUTSIDE_TESTS = (
    _PYTHON_VENV,
    Need("Node 20 or newer", _node_is_new_enough, advice="from https://nodejs.org; Debian 12 has 18 only"),
    _program("npm", advice="comes with Node from https://nodejs.org"),
    _program("chromium", "chromium"),
    _program("chromedriver", "chromium-driver"),
)

_GO = Need("Go 1.26 or newer", _go_is_new_enough, advice="from https://go.dev; Debian 12 has 1.19 only")
_CHAOS = (
    _GO,
    Need("libfaketime", lambda: faketime() is not None, ("faketime",)),
)
_IMAGE = (_program("debootstrap", "debootstrap"), _program("systemd-analyze", "systemd"))
_WATCHERS = (_program("promtool", "prometheus"), _program("prometheus", "prometheus"))

_VERIFY_TOOLS = ("lint", "actionlint", "cargo-deny")
_CHAOS_TOOLS = ("kafka", "apicurio", "e2e-python", "toxiproxy")
_TEST_TOOLS = (*_VERIFY_TOOLS, *_CHAOS_TOOLS, "e2e-node", "cargo-fuzz", "collector", "helm", "crds")
_TEST_NEEDS = (_GIT, *_COMPILER, *_STACK, *_OUTSIDE_TESTS, *_CHAOS, *_WATCHERS, *_IMAGE)

PURPOSES = {
    "demo": Purpose(_COMPILER),
    "stack": Purpose(_STACK, ("kafka", "apicurio"), rust=False),
    "chaos": Purpose((*_COMPILER, *_STACK, _PYTHON_VENV, *_CHAOS), _CHAOS_TOOLS),
    "chart": Purpose((*_COMPILER, _PYTHON_VENV, _GO), ("e2e-python", "helm", "crds")),
    "measure": Purpose((*_COMPILER, *_STACK, _PYTHON_VENV, *_CHAOS, *_WATCHERS), (*_CHAOS_TOOLS, "collector")),
    "image": Purpose((*_COMPILER, _PYTHON_VENV, *_IMAGE), ("lint",)),
    "release": Purpose((_GO,), ("helm",), rust=False),
    "observe": Purpose(_WATCHERS, rust=False),
    "verify": Purpose((_GIT, *_COMPILER, _PYTHON_VENV, _GO), _VERIFY_TOOLS),
    "test": Purpose(_TEST_NEEDS, _TEST_TOOLS),
    "nightly": Purpose(_TEST_NEEDS, (*_TEST_TOOLS, "cargo-mutants")),
}


def faketime() -> Path | None:
    """The library that gives a process another wall clock."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def _install_packages(missing: list[Need]) -> None:
    packages = sorted({package for need in missing for package in need.debian})
    if not packages:
        return
    # RUNLEVEL=1 keeps Debian from starting nginx and Prometheus as services of the machine.
    line = f"apt-get update && RUNLEVEL=1 apt-get install --yes --no-install-recommends {' '.join(packages)}"
    lacks = ", ".join(need.what for need in missing)
    if not shutil.which("apt-get"):
        raise Failure(f"this machine lacks {lacks}; on Debian these are the packages {' '.join(packages)}", EXIT_SETUP)
    if os.geteuid() != 0:
        once = f"run this once, then again what you ran:\n  sudo sh -c '{line}'"
        raise Failure(f"this machine lacks {lacks}; {once}", EXIT_SETUP)
    say(f"this machine lacks {lacks}; installing the Debian packages {' '.join(packages)}")
    with cache.locked(cache.root() / "locks" / "apt.lock", "another run of apt-get"):
        log = cache.root() / "apt.log"
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run(["apt-get", "update", "--quiet"], env=quiet, log=log)
        run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], env=quiet, log=log)
    still = [need.what for need in missing if not need.is_there()]
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
    run(
        ["rustup", "toolchain", "install", channel, "--profile", "minimal", *parts],
        hint="Is static.rust-lang.org reachable?",
    )
