"""The real broker and the real registry as Maven artefacts, pinned."""

import shutil
import subprocess
import tarfile
from pathlib import Path
from xml.sax.saxutils import escape

import cache
from common import Failure, run

KAFKA = "4.3.1"
APICURIO = "2.6.13.Final"

# Group, artefact, version, type, classifier. Without a logger the broker dies without a word.
_KAFKA_ARTEFACTS = (
    ("org.apache.kafka", "kafka_2.13", KAFKA, "jar", ""),
    ("org.apache.kafka", "kafka-tools", KAFKA, "jar", ""),
    ("org.slf4j", "slf4j-simple", "1.7.36", "jar", ""),
)
_APICURIO_ARTEFACTS = (("io.apicurio", "apicurio-registry-app", APICURIO, "tar.gz", "all"),)

_COPY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_OFFLINE_HINT = "Is Maven Central, or a mirror of it in ~/.m2/settings.xml, reachable?"


def kafka() -> Path:
    """A folder whose `libs/*` is the class path of the broker and its tools."""
    return cache.install(f"kafka-{KAFKA}", _install_kafka, "54 MB")


def apicurio() -> Path:
    """A folder with the registry's runner jar."""
    return cache.install(f"apicurio-{APICURIO}", _install_apicurio, "142 MB")


def apicurio_jar() -> Path:
    """The jar that starts the registry."""
    folder = apicurio()
    for pattern in ("*runner.jar", "quarkus-run.jar"):
        for jar in sorted(folder.rglob(pattern)):
            return jar
    raise Failure(f"no runner jar in {folder}; remove that folder and run scripts/setup again")


def _install_kafka(folder: Path) -> None:
    _copy_artefacts(_KAFKA_ARTEFACTS, folder, folder / "libs", transitive=True)


def _install_apicurio(folder: Path) -> None:
    _copy_artefacts(_APICURIO_ARTEFACTS, folder, folder / "download", transitive=False)
    (archive,) = (folder / "download").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    shutil.rmtree(folder / "download")


def _copy_artefacts(artefacts: tuple[tuple[str, ...], ...], folder: Path, into: Path, *, transitive: bool) -> None:
    """Copies artefacts, with what they need if `transitive`, through a local repository of our own."""
    pom = folder / "pom.xml"
    pom.write_text(_pom(artefacts, transitive=transitive))
    with cache.locked(cache.root() / "locks" / "maven.lock", "another run of Maven"):
        run(
            ["mvn", "--batch-mode", "--quiet", "--file", pom, f"-Dmaven.repo.local={cache.root() / 'maven'}",
             f"{_COPY_PLUGIN}:copy-dependencies", f"-DoutputDirectory={into}"],
            cwd=folder, log=folder / "install.log", hint=_OFFLINE_HINT,
        )  # fmt: skip


def _pom(artefacts: tuple[tuple[str, ...], ...], *, transitive: bool) -> str:
    nothing_else = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    fields = ("groupId", "artifactId", "version", "type", "classifier")
    dependencies = "".join(
        "<dependency>"
        + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in zip(fields, artefact, strict=True) if value)
        + ("" if transitive else nothing_else)
        + "</dependency>"
        for artefact in artefacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>local</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>\n"
    )


def version() -> int | None:
    """The major version of `java`, or None when there is none."""
    try:
        done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    words = (done.stderr or done.stdout).split('"')
    return int(words[1].split(".")[0]) if len(words) > 1 and words[1][:1].isdigit() else None
