"""Everything that is downloaded or built into the cache folder, pinned by version or by the hash of its lock file."""

import functools
import hashlib
import os
import shutil
import sys
from pathlib import Path

import cache
import java
from common import E2E, REPOSITORY, SCRIPTS, run

_CARGO_TOOLS = {"cargo-deny": "0.20.2", "cargo-fuzz": "0.13.2", "cargo-mutants": "27.1.0"}
_TOXIPROXY = "v2.12.0"
_ACTIONLINT = "v1.7.12"
_HELM = "v4.3.1"
# Whose custom resources the chart makes: module, version, where the definitions are in it.
_CRDS = (
    ("github.com/prometheus-operator/prometheus-operator", "v0.92.1", "example/prometheus-operator-crd"),
    ("sigs.k8s.io/gateway-api", "v1.4.1", "config/crd/standard"),
)
_CRD_NAMES = ("_servicemonitors.yaml", "_prometheusrules.yaml", "_httproutes.yaml")
_COLLECTOR = "v0.158.0"
_COLLECTOR_PARTS = E2E / "collector" / "builder.yaml"
_GO_ENVIRONMENT = {"GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
_NO_GO_PROXY = "Is the Go proxy reachable?"
_CARGO_MINUTES = {"cargo-deny": 2, "cargo-fuzz": 1, "cargo-mutants": 2}


def lint_programs() -> Path:
    """The folder of `ruff` and `shellcheck`."""
    return _venv("lint", SCRIPTS / "requirements.txt") / "bin"


def e2e_python() -> Path:
    """The Python of the outside tests."""
    return _venv("e2e", E2E / "requirements.txt") / "bin" / "python"


def e2e_node_modules() -> Path:
    """What the outside tests' Node clients import, linked beside them because Node looks nowhere else."""
    lock = E2E / "package-lock.json"
    folder = cache.install(f"node-{_hash(lock)}", _install_node_modules) / "node_modules"
    link = E2E / "node_modules"
    if link.is_symlink() or not link.exists():
        fresh = E2E / f".node_modules.{os.getpid()}"
        fresh.symlink_to(folder)
        fresh.replace(link)
    return folder


def cargo_tool(name: str) -> Path:
    """The program of a cargo subcommand, such as `cargo-deny`."""
    version = _CARGO_TOOLS[name]

    def build(folder: Path) -> None:
        command = ["cargo", "install", "--locked", "--quiet", "--root", folder, "--version", version, name]
        run(
            command,
            env={"CARGO_TARGET_DIR": str(folder / "target")},
            log=folder / "install.log",
            hint="Is crates.io reachable?",
        )
        shutil.rmtree(folder / "target")

    return cache.install(f"{name}-{version}", build, f"builds for about {_CARGO_MINUTES[name]} min") / "bin" / name


def toxiproxy() -> Path:
    """A proxy that cuts, delays and throttles TCP connections on command."""
    source = f"github.com/Shopify/toxiproxy/v2/cmd/server@{_TOXIPROXY}"
    return _go_program(f"toxiproxy-{_TOXIPROXY}", source, "builds for about 1 min")


def actionlint() -> Path:
    """The linter of GitHub's workflows."""
    return _go_program(f"actionlint-{_ACTIONLINT}", f"github.com/rhysd/actionlint/cmd/actionlint@{_ACTIONLINT}")


def helm() -> Path:
    """Helm."""
    return _go_program(f"helm-{_HELM}", f"helm.sh/helm/v4/cmd/helm@{_HELM}", "builds for about 4 min")


def _go_program(name: str, source: str, expected: str = "") -> Path:
    """A program built by the Go proxy's `module/path@version`."""
    program = source.partition("@")[0].rpartition("/")[2]
    return cache.install(name, lambda folder: _go(folder, "install", source), expected) / program


def _go(folder: Path, *words: str | Path, **environment: str) -> None:
    """Runs `go` there; what it installs lies in the folder."""
    told = {**_GO_ENVIRONMENT, "GOBIN": str(folder), **environment}
    run(["go", *words], cwd=folder, env=told, log=folder / "install.log", hint=_NO_GO_PROXY)


def crds() -> Path:
    """The folder of the definitions of the custom resources that the chart makes."""

    def build(folder: Path) -> None:
        modules = folder / "modules"
        for module, version, place in _CRDS:
            _go(folder, "mod", "download", f"{module}@{version}", GOMODCACHE=str(modules))
            for file in sorted((modules / f"{module}@{version}" / place).glob("*.yaml")):
                if file.name.endswith(_CRD_NAMES):
                    shutil.copy(file, folder)
        shutil.rmtree(modules)

    return cache.install(_crds_name(), build)


def _crds_name() -> str:
    return "crds-" + "-".join(version for _, version, _ in _CRDS)


def collector() -> Path:
    """The OpenTelemetry Collector, with the parts that the outside tests use."""

    def build(folder: Path) -> None:
        _go(folder, "install", f"go.opentelemetry.io/collector/cmd/builder@{_COLLECTOR}")
        sources, log = folder / "sources", folder / "install.log"
        command = [folder / "builder", "--config", _COLLECTOR_PARTS]
        run(command, cwd=folder, env=_GO_ENVIRONMENT, log=log, hint=_NO_GO_PROXY)
        shutil.move(sources / "collector", folder / "collector")
        shutil.rmtree(sources)
        (folder / "builder").unlink()

    return cache.install(_collector_name(), build, "builds for about 3 min") / "collector"


def _collector_name() -> str:
    return f"collector-{_COLLECTOR}-{_hash(_COLLECTOR_PARTS)}"


def cargo_target() -> Path:
    """Where checks and tests compile: `CARGO_TARGET_DIR`, else one for all checkouts, so that a clean one is warm."""
    named = os.environ.get("CARGO_TARGET_DIR")
    return Path(named) if named else _shared_target()


def optimised_gateway() -> Path:
    """The gateway as it is released, built now."""
    run(["cargo", "build", "--release", "--package", "gateway"], env=cargo_environment())
    return cargo_target() / "release" / "answer-gateway"


@functools.cache
def _shared_target() -> Path:
    """The folder of all checkouts. Cargo tells our crates of one checkout from those of another by the times of their
    files alone, so what another one compiled of them is removed; the libraries stay."""
    target = cache.root() / "target"
    last = target / "last-checkout"
    if not last.is_file() or last.read_text() != str(REPOSITORY):
        target.mkdir(parents=True, exist_ok=True)
        run(["cargo", "clean", "--quiet", "--workspace"], env={"CARGO_TARGET_DIR": str(target)})
        last.write_text(str(REPOSITORY))
    return target


def cargo_environment() -> dict[str, str]:
    """What cargo is run with."""
    return {"CARGO_TARGET_DIR": str(cargo_target())}


def locked() -> list[str]:
    """In a check of what is to be merged, a lock file that lags behind is a mistake."""
    return ["--locked"] if os.environ.get("CI") else []


def on_path(name: str) -> dict[str, str]:
    """A PATH on which `cargo` finds that subcommand."""
    return {"PATH": f"{cargo_tool(name).parent}{os.pathsep}{os.environ['PATH']}"}


INSTALLERS = {
    "kafka": java.kafka,
    "apicurio": java.apicurio,
    "lint": lint_programs,
    "e2e-python": e2e_python,
    "e2e-node": e2e_node_modules,
    "cargo-deny": lambda: cargo_tool("cargo-deny"),
    "cargo-fuzz": lambda: cargo_tool("cargo-fuzz"),
    "cargo-mutants": lambda: cargo_tool("cargo-mutants"),
    "toxiproxy": toxiproxy,
    "collector": collector,
    "helm": helm,
    "actionlint": actionlint,
    "crds": crds,
}


def installed_name(tool: str) -> str:
    """The name under which the cache folder keeps a tool, version included."""
    if tool in _CARGO_TOOLS:
        return f"{tool}-{_CARGO_TOOLS[tool]}"
    names = {
        "kafka": lambda: f"kafka-{java.KAFKA}",
        "apicurio": lambda: f"apicurio-{java.APICURIO}",
        "lint": lambda: _venv_name("lint", SCRIPTS / "requirements.txt"),
        "e2e-python": lambda: _venv_name("e2e", E2E / "requirements.txt"),
        "e2e-node": lambda: f"node-{_hash(E2E / 'package-lock.json')}",
        "toxiproxy": lambda: f"toxiproxy-{_TOXIPROXY}",
        "collector": _collector_name,
        "helm": lambda: f"helm-{_HELM}",
        "actionlint": lambda: f"actionlint-{_ACTIONLINT}",
        "crds": _crds_name,
    }
    return names[tool]()


def _venv_name(name: str, requirements: Path) -> str:
    return f"venv-{name}-{_hash(requirements, salt=sys.version)}"


def _venv(name: str, requirements: Path) -> Path:
    def build(folder: Path) -> None:
        log = folder / "install.log"
        run([sys.executable, "-m", "venv", folder], log=log)
        run([folder / "bin" / "pip", "install", "--quiet", "-r", requirements], log=log, hint="Is PyPI reachable?")

    return cache.install(_venv_name(name, requirements), build)


def _install_node_modules(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(E2E / name, folder)
    run(
        ["npm", "ci", "--no-audit", "--no-fund"],
        cwd=folder,
        log=folder / "install.log",
        hint="Is the npm registry reachable?",
    )


def _hash(file: Path, salt: str = "") -> str:
    return hashlib.sha256(file.read_bytes() + salt.encode()).hexdigest()[:12]
