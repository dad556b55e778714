"""Checks which crate depends on which, and which libraries a crate must not reach, with `cargo metadata`."""

import json
from collections.abc import Iterator
from pathlib import Path

from common import Failure, output_of

# Which crate may depend on which; docs/architecture.md describes the same.
ALLOWED = {
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
# Crates that the tests of any crate may use besides.
TEST_DOUBLES = {"testkit", "embedded"}

# Libraries that a crate must not reach, not even through another library. Those that deny.toml bans are not repeated.
_IO = ("tokio", "mio", "socket2", "hyper", "reqwest", "tungstenite")
_WEBSOCKET = ("tungstenite", "tokio-tungstenite")
_REGISTRY = ("schema_registry_converter",)
FORBIDDEN = {
    "types": ("serde", "serde_core", "serde_json", *_IO),
    "avro-codec": _IO,
    "session-core": ("serde", "serde_core", "rand", *_IO),
    "telemetry": (*_REGISTRY, *_WEBSOCKET),
    "kafka-ingest": _WEBSOCKET,
    "ws-gateway": _REGISTRY,
}


def problems(tree: Path) -> Iterator[str]:
    """Yields each forbidden dependency as a sentence that names both ends and the path between them."""
    text = output_of(["cargo", "metadata", "--format-version", "1", "--quiet"], cwd=tree)
    if text is None:
        raise Failure(f"`cargo metadata` failed in {tree}; run it there to see why")
    metadata = json.loads(text)
    packages = {package["id"]: package for package in metadata["packages"]}
    members = [packages[member] for member in metadata["workspace_members"]]
    names = {member["name"] for member in members}
    for name in sorted(names - ALLOWED.keys()):
        yield f"crate {name} is new: add its dependencies to docs/architecture.md and {Path(__file__).name}"
    edges = _normal_dependencies(metadata)
    for member in members:
        yield from _forbidden_crates(member, names)
        paths = _paths_from(member["id"], edges)
        for path in (paths[end] for end in paths if packages[end]["name"] in FORBIDDEN.get(member["name"], ())):
            way = [packages[step]["name"] for step in path]
            yield f"crate {member['name']} must not use {way[-1]}, and reaches it by {' -> '.join(way)}"


def _forbidden_crates(member: dict, names: set[str]) -> Iterator[str]:
    name = member["name"]
    for dependency in member["dependencies"]:
        target, kind = dependency["name"], dependency["kind"]
        is_allowed = target in ALLOWED.get(name, ()) or (kind == "dev" and target in TEST_DOUBLES)
        if target in names and not is_allowed:
            yield f"crate {name} must not depend on {target}{f' ({kind})' if kind else ''}; see docs/architecture.md"


def _normal_dependencies(metadata: dict) -> dict[str, list[str]]:
    """Returns the dependencies of each package, those of tests and build scripts left out."""
    return {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }


def _paths_from(start: str, edges: dict[str, list[str]]) -> dict[str, list[str]]:
    """Returns the shortest path to every package that is reached from `start`."""
    paths = {start: [start]}
    queue = [start]
    for package in queue:
        for dependency in edges[package]:
            if dependency not in paths:
                paths[dependency] = [*paths[package], dependency]
                queue.append(dependency)
    return paths
