"""The recorded state of one stack, in its folder: ports, passwords and the identities of its processes."""

import json
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from common import Failure

_FILE = "state.json"
_HOST = "127.0.0.1"

# Below the range that the kernel takes for outgoing connections: otherwise a client that keeps trying a stopped
# component's port can be given that very port as its own, and the component cannot start again.
_PORTS = range(20_000, 32_000)

# `kafka_relay` is the port that clients of the listener `kafka_relayed` are sent to: a relay of a test listens there.
PORT_NAMES = ("kafka", "kafka_sasl", "kafka_relayed", "kafka_relay", "kafka_controller", "registry", "registry_auth")
# Of a cluster: each broker's listeners for the tests and for gateways, the proxy of the latter, and its controller.
BROKERS = (1, 2, 3)
GATEWAYS = (1, 2, 3)
_CLUSTER_PORT_NAMES = (
    *(f"{listener}_{number}" for number in BROKERS for listener in ("direct", "inner", "outer", "controller")),
    *(f"{end}_{number}" for end in ("front", "gateway") for number in GATEWAYS),
    *("registry", "registry_faults", "registry_outer", "toxiproxy"),
)


@dataclass
class State:
    """One stack. `processes` maps a component's name to the identity of its process."""

    directory: Path
    ports: dict[str, int]
    kafka_password: str
    registry_password: str
    processes: dict[str, str] = field(default_factory=dict)
    cluster: bool = False

    KAFKA_USER = "gateway"
    REGISTRY_USER = "registry-user"

    @classmethod
    def load(cls, directory: Path) -> "State | None":
        """Reads the stack of a folder; None when none was started there or it was removed."""
        try:
            values = json.loads((directory / _FILE).read_text())
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as broken:
            raise Failure(f"{directory / _FILE} cannot be read ({broken}); remove {directory}") from broken
        return cls(directory=directory, **values)

    @classmethod
    def new(cls, directory: Path, chosen: dict[str, int], *, cluster: bool = False) -> "State":
        """Creates a stack on the chosen ports and otherwise random free ones; nothing is started."""
        if directory.exists() and any(directory.iterdir()):
            raise Failure(f"{directory} is not empty and holds no stack; choose another folder with --dir")
        directory.mkdir(parents=True, exist_ok=True)
        ports = dict(chosen)
        while missing := [name for name in (_CLUSTER_PORT_NAMES if cluster else PORT_NAMES) if name not in ports]:
            port = secrets.choice(_PORTS)
            if port not in ports.values() and is_free(port):
                ports[missing[0]] = port
        state = cls(directory, ports, secrets.token_urlsafe(18), secrets.token_urlsafe(18), cluster=cluster)
        state.save()
        return state

    def save(self) -> None:
        """Writes the state, which only its owner may read because of the passwords."""
        values = asdict(self)
        del values["directory"]
        fresh = self.directory / f"{_FILE}.new"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(values, indent=2))
        fresh.replace(self.directory / _FILE)

    def addresses(self) -> dict[str, str]:
        """Returns `host:port` of every port by its name."""
        return {name: f"{_HOST}:{port}" for name, port in self.ports.items()}

    def address(self, port: str) -> str:
        """Returns `host:port` of a port."""
        if port not in self.ports:
            raise Failure(f"the stack in {self.directory} is an older one, without {port}: scripts/stack down, then up")
        return self.addresses()[port]

    def registry_url(self, port: str = "registry") -> str:
        """Returns the base URL of the registry's Confluent API, at that port."""
        return f"http://{self.address(port)}/apis/ccompat/v7"

    def environment(self) -> dict[str, str]:
        """Returns the variables of `scripts/stack env`."""
        shared = {"AG_STACK_DIR": str(self.directory), "AG_STACK_REGISTRY_URL": self.registry_url()}
        if self.cluster:
            return {
                **shared,
                "AG_STACK_BOOTSTRAP": ",".join(self.address(f"direct_{number}") for number in BROKERS),
                "AG_STACK_PORTS": json.dumps(self.ports),
            }
        return {
            **shared,
            "AG_STACK_BOOTSTRAP": self.address("kafka"),
            "AG_STACK_SASL_BOOTSTRAP": self.address("kafka_sasl"),
            "AG_STACK_SASL_USER": self.KAFKA_USER,
            "AG_STACK_SASL_PASSWORD": self.kafka_password,
            "AG_STACK_RELAYED": self.address("kafka_relayed"),
            "AG_STACK_RELAY": self.address("kafka_relay"),
            "AG_STACK_CA": str(self.directory / "tls" / "ca.pem"),
            "AG_STACK_REGISTRY_AUTH_URL": self.registry_url("registry_auth"),
            "AG_STACK_REGISTRY_USER": self.REGISTRY_USER,
            "AG_STACK_REGISTRY_PASSWORD": self.registry_password,
            "KAFKA_BOOTSTRAP_SERVERS": self.address("kafka"),
            "KAFKA_SCHEMA_REGISTRY_URL": self.registry_url(),
        }


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
