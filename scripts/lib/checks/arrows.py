"""The arrows between the crates, and the libraries a crate must not know, read from `cargo metadata`."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from common import Failure

# Which crate may depend on which; the same table in words is in docs/architecture.md.
ARROWS = {
    "types": set(),
    "avro-codec": {"types"},
    "session-core": {"types"},
    "telemetry": set(),
    "kafka-ingest": {"types", "avro-codec", "telemetry"},
    "ws-gateway": {"types", "session-core", "telemetry"},
    "embedded": set(),
    "gateway": {"types", "avro-codec", "session-core", "kafka-ingest", "ws-gateway", "telemetry", "embedded"},
    "testkit": {"types"},
    "loadgen": {"types"},
}
# What any crate's tests may use besides.
TEST_DOUBLES = {"testkit", "embedded"}

_IO = ("tokio", "mio", "socket2", "hyper", "reqwest", "warp", "tungstenite", "rdkafka", "rdkafka-sys")
_KAFKA = ("rdkafka", "rdkafka-sys")
_HTTP_SERVER = ("warp",)
_WEBSOCKET = ("warp", "tungstenite", "tokio-tungstenite")
_AVRO = ("apache-avro", "schema_registry_converter")

# What a crate must not reach, not even through another library.
FORBIDDEN = {
    "types": ("serde", "serde_core", "serde_json", *_IO),
    "avro-codec": _IO,
    "session-core": ("serde", "serde_core", "rand", *_IO),
    "telemetry": (*_KAFKA, *_AVRO, *_WEBSOCKET),
    "kafka-ingest": _WEBSOCKET,
    "ws-gateway": (*_KAFKA, *_AVRO),
    "testkit": _HTTP_SERVER,
    "loadgen": _HTTP_SERVER,
}


def problems(tree: Path) -> Iterator[str]:
    """Each broken arrow as a sentence that names both ends and the way there."""
    metadata = _metadata(tree)
    members = {
        package["id"]: package for package in metadata["packages"] if package["id"] in metadata["workspace_members"]
    }
    names = {package["name"] for package in members.values()}
    for name in sorted(names - ARROWS.keys()):
        yield f"crate {name} is new: say in docs/architecture.md and scripts/lib/checks/arrows.py what it may know"
    for package in members.values():
        yield from _workspace_arrows(package, names)
    edges = _normal_edges(metadata)
    labels = {package["id"]: package["name"] for package in metadata["packages"]}
    for identity, package in members.items():
        for forbidden in FORBIDDEN.get(package["name"], ()):
            way = _way(identity, forbidden, edges, labels)
            if way:
                yield f"crate {package['name']} must not know {forbidden}, and reaches it by {' -> '.join(way)}"


def _workspace_arrows(package: dict, names: set[str]) -> Iterator[str]:
    name = package["name"]
    for dependency in package["dependencies"]:
        target = dependency["name"]
        if target not in names or target in ARROWS.get(name, ()):
            continue
        if dependency["kind"] == "dev" and target in TEST_DOUBLES:
            continue
        kind = f" ({dependency['kind']})" if dependency["kind"] else ""
        yield f"arrow {name} -> {target}{kind} is not allowed; see docs/architecture.md"


def _metadata(tree: Path) -> dict:
    command = ["cargo", "metadata", "--format-version", "1", "--quiet"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"`cargo metadata` failed in {tree}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def _normal_edges(metadata: dict) -> dict[str, list[str]]:
    """Who uses whom in the product: test and build dependencies left out."""
    return {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }


def _way(start: str, target: str, edges: dict[str, list[str]], labels: dict[str, str]) -> list[str]:
    """The shortest chain of crates to one of that name, or nothing."""
    came_from: dict[str, str | None] = {start: None}
    queue = [start]
    for here in queue:
        if labels[here] == target and here != start:
            chain: list[str] = []
            step: str | None = here
            while step is not None:
                chain.append(labels[step])
                step = came_from[step]
            return chain[::-1]
        for following in edges[here]:
            if following not in came_from:
                came_from[following] = here
                queue.append(following)
    return []
