"""What a release is made of."""

import hashlib
import json
import platform
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tools
from common import REPOSITORY, Failure, run, toml

_CHART = REPOSITORY / "deploy" / "helm" / "answer-gateway" / "Chart.yaml"
_SUMS = "sha256sums.txt"


def _version(tag: str) -> str:
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", tag):
        raise Failure(f"`{tag}` is no tag of a release; they look like v1.2.3")
    return tag.removeprefix("v")


def check(tag: str) -> None:
    """Refuses a tag that does not fit what is in the tree."""
    version = _version(tag)
    problems = list(_problems(version))
    if problems:
        raise Failure("\n".join([f"{tag} cannot be released", *problems]))


def _problems(version: str) -> Iterator[str]:
    cargo = toml(REPOSITORY / "Cargo.toml")["workspace"]["package"]["version"]
    if cargo != version:
        yield f"Cargo.toml has version {cargo}"
    chart = _CHART.read_text()
    for line in (f"version: {version}", f'appVersion: "{version}"'):
        if line not in chart.splitlines():
            yield f"{_CHART.relative_to(REPOSITORY)} lacks the line `{line}`"
    if f"## {version}" not in {line.split(" - ")[0] for line in _changelog().splitlines()}:
        yield f"CHANGELOG.md has no part `## {version}`"
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    if changed.stdout:
        yield "the tree has changes that are not committed"


def _changelog() -> str:
    return (REPOSITORY / "CHANGELOG.md").read_text()


def notes(tag: str) -> str:
    """A version's part of the changelog."""
    version = _version(tag)
    for part in re.split(r"^## ", _changelog(), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if head.split(" - ")[0].strip() == version:
            return body.strip()
    raise Failure(f"CHANGELOG.md has no part `## {version}`")


def sbom() -> str:
    """Every crate of the lock file as CycloneDX 1.6. Says nothing of what Debian brings: the image has that."""
    lock = toml(REPOSITORY / "Cargo.lock")
    own = toml(REPOSITORY / "Cargo.toml")["workspace"]["package"]
    components = [_component(package) for package in lock["package"] if "source" in package]
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "answer-gateway",
                "version": own["version"],
                "licenses": [{"license": {"id": own["license"]}}],
            }
        },
        "components": components,
    }
    return json.dumps(whole, indent=2) + "\n"


def _component(package: dict[str, str]) -> dict[str, object]:
    name, version = package["name"], package["version"]
    url = f"pkg:cargo/{name}@{version}"
    component: dict[str, object] = {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
    if "checksum" in package:
        component["hashes"] = [{"alg": "SHA-256", "content": package["checksum"]}]
    return component


def archive(folder: Path) -> list[Path]:
    """Builds, and packs for this machine's architecture. Returns the files made."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"answer-gateway-{platform.machine()}-linux"
    packed = folder / f"{name}.tar.gz"
    with tempfile.TemporaryDirectory(prefix="answer-gateway-release-") as scratch:
        root = Path(scratch) / name
        run([REPOSITORY / "deploy" / "image" / "build", root])
        (root / "sbom.json").write_text(sbom())
        with tarfile.open(packed, "w:gz") as tar:
            tar.add(root, arcname=name)
    return [packed]


def chart(folder: Path) -> None:
    """Packs the chart."""
    folder.mkdir(parents=True, exist_ok=True)
    run([tools.helm(), "package", _CHART.parent, "--destination", folder.resolve()])


def sums(folder: Path) -> Path:
    """Writes the checksums of what lies in the folder, as `sha256sum --check` reads them."""
    files = sorted(file for file in folder.glob("*") if file.is_file() and file.name != _SUMS)
    if not files:
        raise Failure(f"nothing to be summed up lies in {folder}")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / _SUMS).write_text("".join(lines))
    return folder / _SUMS
