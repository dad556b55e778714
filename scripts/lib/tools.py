"""Tools that are downloaded or built into the cache folder, by the versions of scripts/versions.toml or a lock file."""

import functools
import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cache
from common import E2E, REPOSITORY, SCRIPTS, Failure, run, toml

VERSIONS = toml(SCRIPTS / "versions.toml")
_MAVEN = VERSIONS["maven"]
_CRD_NAMES = ("_servicemonitors.yaml", "_prometheusrules.yaml", "_httproutes.yaml")
_COLLECTOR_PARTS = E2E / "collector" / "builder.yaml"
_GO_ENVIRONMENT = {"GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
_DURATIONS = {
    "cargo-cyclonedx": "builds for about 2 min",
    "cargo-deny": "builds for about 2 min",
    "cargo-fuzz": "builds for about 1 min",
    "cargo-mutants": "builds for about 2 min",
    "toxiproxy": "builds for about 1 min",
    "helm": "builds for about 4 min",
}


@dataclass(frozen=True)
class Tool:
    """Something installed into `folder`, a name in the cache folder that includes the version."""

    folder: str
    build: Callable[[Path], None]
    expected: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether it was installed completely."""
        return cache.is_installed(self.folder)

    def install(self) -> Path:
        """Installs it if needed and returns its folder."""
        return cache.install(self.folder, self.build, self.expected)


def _hash(file: Path, salt: str = "") -> str:
    return hashlib.sha256(file.read_bytes() + salt.encode()).hexdigest()[:12]


def _python_environment(name: str, requirements: Path) -> Tool:
    def build(folder: Path) -> None:
        log = folder / "install.log"
        run([sys.executable, "-m", "venv", folder], log=log)
        run([folder / "bin" / "pip", "install", "--quiet", "-r", requirements], log=log, hint="Is PyPI reachable?")

    return Tool(f"venv-{name}-{_hash(requirements, salt=sys.version)}", build)


def _node_modules(lock: Path) -> Tool:
    def build(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock.with_name(name), folder)
        command, log = ["npm", "ci", "--no-audit", "--no-fund"], folder / "install.log"
        run(command, cwd=folder, log=log, hint="Is the npm registry reachable?")

    return Tool(f"node-{_hash(lock)}", build)


def _cargo_program(name: str) -> Tool:
    version = VERSIONS["cargo"][name]

    def build(folder: Path) -> None:
        target = folder / "target"
        command = ["cargo", "install", "--locked", "--quiet", "--root", folder, "--version", version, name]
        log = folder / "install.log"
        run(command, env={"CARGO_TARGET_DIR": str(target)}, log=log, hint="Is crates.io reachable?")
        shutil.rmtree(target)

    return Tool(f"{name}-{version}", build, _DURATIONS[name])


def _go(folder: Path, *words: str, **environment: str) -> None:
    variables = {**_GO_ENVIRONMENT, "GOBIN": str(folder), **environment}
    run(["go", *words], cwd=folder, env=variables, log=folder / "install.log", hint="Is the Go proxy reachable?")


def _go_program(name: str) -> Tool:
    source = VERSIONS["go-programs"][name]
    version = source.partition("@")[2]
    return Tool(f"{name}-{version}", lambda folder: _go(folder, "install", source), _DURATIONS.get(name, ""))


def _build_crds(folder: Path) -> None:
    modules = folder / "modules"
    for module, place in VERSIONS["crds"].items():
        _go(folder, "mod", "download", module, GOMODCACHE=str(modules))
        for file in sorted((modules / module / place).glob("*.yaml")):
            if file.name.endswith(_CRD_NAMES):
                shutil.copy(file, folder)
    shutil.rmtree(modules)


def _build_collector(folder: Path) -> None:
    _go(folder, "install", VERSIONS["collector"]["builder"])
    command = [folder / "builder", "--config", _COLLECTOR_PARTS]
    run(command, cwd=folder, env=_GO_ENVIRONMENT, log=folder / "install.log", hint="Is the Go proxy reachable?")
    shutil.move(folder / "sources" / "collector", folder / "collector")
    shutil.rmtree(folder / "sources")
    (folder / "builder").unlink()


def _maven(folder: Path, goal: str, *options: str) -> None:
    """Runs a goal of Maven's dependency plugin, with a local repository in the cache folder."""
    plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{_MAVEN['dependency-plugin']}"
    command = ["mvn", "--batch-mode", "--quiet", f"-Dmaven.repo.local={cache.root() / 'maven'}", f"{plugin}:{goal}"]
    hint = "Is Maven Central, or a mirror of it in ~/.m2/settings.xml, reachable?"
    with cache.locked(cache.root() / "locks" / "maven.lock", "another run of Maven"):
        run([*command, *options], cwd=folder, log=folder / "install.log", hint=hint)


def _build_kafka(folder: Path) -> None:
    shutil.copy(SCRIPTS / "lib" / "stack" / "kafka.pom.xml", folder / "pom.xml")
    versions = (f"-Dkafka={_MAVEN['kafka']}", f"-Dslf4j={_MAVEN['slf4j']}")
    _maven(folder, "copy-dependencies", *versions, f"-DoutputDirectory={folder / 'libs'}")


def _build_apicurio(folder: Path) -> None:
    artifact = f"io.apicurio:apicurio-registry-app:{_MAVEN['apicurio']}:tar.gz:all"
    _maven(folder, "copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder / 'download'}")
    (archive,) = (folder / "download").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    shutil.rmtree(folder / "download")


_COLLECTOR_NAME = f"collector-{VERSIONS['collector']['builder'].partition('@')[2]}-{_hash(_COLLECTOR_PARTS)}"
_CRDS_NAME = "crds-" + "-".join(module.partition("@")[2] for module in VERSIONS["crds"])
TOOLS = {
    **{name: _cargo_program(name) for name in VERSIONS["cargo"]},
    **{name: _go_program(name) for name in VERSIONS["go-programs"]},
    "apicurio": Tool(f"apicurio-{_MAVEN['apicurio']}", _build_apicurio, "142 MB"),
    "collector": Tool(_COLLECTOR_NAME, _build_collector, "builds for about 3 min"),
    "crds": Tool(_CRDS_NAME, _build_crds),
    "e2e-node": _node_modules(E2E / "package-lock.json"),
    "e2e-python": _python_environment("e2e", E2E / "requirements.txt"),
    "kafka": Tool(f"kafka-{_MAVEN['kafka']}", _build_kafka, "54 MB"),
    "lint": _python_environment("lint", SCRIPTS / "requirements.txt"),
}


def program(name: str) -> Path:
    """Returns a program of versions.toml or scripts/requirements.txt, or one of three other places by name."""
    others = {"cargo-target": cargo_target, "crds": TOOLS["crds"].install, "e2e-python": e2e_python}
    if name in others:
        return others[name]()
    if name in VERSIONS["cargo"]:
        return TOOLS[name].install() / "bin" / name
    if name in VERSIONS["go-programs"]:
        return TOOLS[name].install() / VERSIONS["go-programs"][name].partition("@")[0].rpartition("/")[2]
    return TOOLS["lint"].install() / "bin" / name


def e2e_python() -> Path:
    """Returns the Python of the end-to-end tests."""
    return TOOLS["e2e-python"].install() / "bin" / "python"


def e2e_node_modules() -> Path:
    """Returns the Node modules of the end-to-end tests, linked beside them because Node looks nowhere else."""
    folder = TOOLS["e2e-node"].install() / "node_modules"
    link = E2E / "node_modules"
    if link.is_symlink() or not link.exists():
        fresh = E2E / f".node_modules.{os.getpid()}"
        fresh.symlink_to(folder)
        fresh.replace(link)
    return folder


def collector() -> Path:
    """Returns the OpenTelemetry Collector, with the parts that the end-to-end tests use."""
    return TOOLS["collector"].install() / "collector"


def kafka_class_path() -> str:
    """Returns the Java class path of the broker and its tools."""
    return str(TOOLS["kafka"].install() / "libs" / "*")


def apicurio_jar() -> Path:
    """Returns the jar that starts the registry."""
    folder = TOOLS["apicurio"].install()
    jars = [jar for pattern in ("*runner.jar", "quarkus-run.jar") for jar in sorted(folder.rglob(pattern))]
    if not jars:
        raise Failure(f"no runner jar in {folder}; remove that folder and run scripts/setup again")
    return jars[0]


def cargo_target() -> Path:
    """Returns the folder that checks and tests compile into: `CARGO_TARGET_DIR`, else one shared by all checkouts."""
    named = os.environ.get("CARGO_TARGET_DIR")
    return Path(named) if named else _shared_target()


@functools.cache
def _shared_target() -> Path:
    """Returns the folder shared by all checkouts, cleaned of this workspace's crates when another checkout used it.

    Cargo tells the crates of one checkout from those of another by file times only; the libraries stay.
    """
    target = cache.root() / "target"
    last = target / "last-checkout"
    if not last.is_file() or last.read_text() != str(REPOSITORY):
        target.mkdir(parents=True, exist_ok=True)
        run(["cargo", "clean", "--quiet", "--workspace"], env={"CARGO_TARGET_DIR": str(target)})
        last.write_text(str(REPOSITORY))
    return target


def cargo(command: str, *options: str | Path, limit: float | None = None, **environment: str) -> None:
    """Runs cargo on the workspace, compiling into `cargo_target()`."""
    variables = {"CARGO_TARGET_DIR": str(cargo_target()), **environment}
    run(["cargo", command, *locked(), *options], env=variables, limit=limit)


def build_gateway(*, optimised: bool = False) -> Path:
    """Builds the gateway, in the dev profile or as it is released, and returns the binary."""
    cargo("build", "--package", "gateway", *(["--release"] if optimised else []))
    return cargo_target() / ("release" if optimised else "debug") / "answer-gateway"


def locked() -> list[str]:
    """Returns cargo's option that refuses an outdated lock file, which CI uses."""
    return ["--locked"] if os.environ.get("CI") else []


def path_with(name: str) -> dict[str, str]:
    """Returns a PATH on which `cargo` finds that subcommand."""
    return {"PATH": f"{program(name).parent}{os.pathsep}{os.environ['PATH']}"}
