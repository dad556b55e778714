"""The components of a stack: their configuration, their commands, and when each serves clients."""

import subprocess
import urllib.error
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from string import Template

import tools
from common import LOOPBACK, output_of, run
from stack import certificates
from stack.state import BROKERS, State

# Halves the time of a start, which fault tests make often; a broker needs no more at a few thousand records a second.
_QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Component(ABC):
    """One process of the stack."""

    name: str
    ports: tuple[str, ...]
    ready_within: float
    stops_within: float

    def __init__(self, state: State) -> None:
        self.state = state
        self.folder = state.directory / self.name
        self.log = state.directory / f"{self.name}.log"

    @abstractmethod
    def prepare(self) -> None:
        """Writes the files that the process needs; called before every start, when the folder exists."""

    @abstractmethod
    def command(self) -> list[str]:
        """Returns the command of the process."""

    def environment(self) -> Mapping[str, str]:
        """Returns variables for the process, in addition to this one's."""
        return {}

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves clients now."""

    def write_from(self, template: str, file: str, **values: object) -> Path:
        """Writes a file of the component, which only its owner may read, from a template beside this module."""
        written = self.folder / file
        written.touch(mode=0o600)
        text = (Path(__file__).parent / template).read_text()
        written.write_text(Template(text).substitute({**self.state.addresses(), "folder": self.folder, **values}))
        return written


class Kafka(Component):
    """A KRaft broker and controller in one."""

    name = "kafka"
    ports = ("kafka", "kafka_sasl", "kafka_relayed", "kafka_controller")
    ready_within = 90
    stops_within = 30
    cluster_id = "answergatewaystack0000"

    def prepare(self) -> None:
        properties = self.write_properties()
        if not (self.folder / "data" / "meta.properties").exists():
            storage = ["kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c", str(properties)]
            run(["java", "-cp", tools.kafka_class_path(), *storage], log=self.log)

    def write_properties(self) -> Path:
        """Writes the broker's configuration."""
        state, tls = self.state, self.state.directory / "tls"
        certificates.create(tls)
        values = {"user": state.KAFKA_USER, "password": state.kafka_password, "tls": tls, "data": self.folder / "data"}
        return self.write_from("broker.properties", "server.properties", **values)

    def command(self) -> list[str]:
        logging = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
        options = (*_QUICK_START, "-Xmx512m", *logging, "-cp", tools.kafka_class_path())
        return ["java", *options, "kafka.Kafka", str(self.folder / "server.properties")]

    def is_ready(self) -> bool:
        secured = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": self.state.KAFKA_USER,
            "sasl.password": self.state.kafka_password,
            "ssl.ca.location": str(self.state.directory / "tls" / "ca.pem"),
        }
        settings = self.folder / "client.conf"
        settings.touch(mode=0o600)
        settings.write_text("".join(f"{key}={value}\n" for key, value in secured.items()))
        accesses = ([self.state.address("kafka")], [self.state.address("kafka_sasl"), "-F", str(settings)])
        return all(output_of(["kcat", "-m", "5", "-L", "-b", *access]) is not None for access in accesses)


class Registry(Component):
    """Apicurio with its Confluent-compatible API; its database is a file, so that ids outlive a restart."""

    name = "registry"
    ports = ("registry",)
    ready_within = 90
    stops_within = 15

    def prepare(self) -> None:
        tools.apicurio_jar()

    def command(self) -> list[str]:
        return ["java", "-Xmx512m", *_QUICK_START, "-jar", str(tools.apicurio_jar())]

    def environment(self) -> Mapping[str, str]:
        return {
            "HTTP_PORT": str(self.state.ports["registry"]),
            "QUARKUS_HTTP_HOST": "127.0.0.1",
            "REGISTRY_DATASOURCE_URL": f"jdbc:h2:file:{self.folder / 'schemas'}",
            "LOG_LEVEL": "WARN",
        }

    def is_ready(self) -> bool:
        return _status_of(f"{self.state.registry_url()}/subjects") == 200


class Proxy(Component):
    """nginx in front of the registry, with basic authentication."""

    name = "proxy"
    ports = ("registry_auth",)
    ready_within = 15
    stops_within = 5

    def prepare(self) -> None:
        command, password = ["openssl", "passwd", "-6", "-stdin"], self.state.registry_password
        hashed = subprocess.run(command, input=password, text=True, check=True, capture_output=True).stdout.strip()
        # nginx's workers may run as another user; the file holds a hash only.
        (self.folder / "users").write_text(f"{self.state.REGISTRY_USER}:{hashed}\n")
        self.write_from("nginx.conf", "nginx.conf").chmod(0o644)

    def command(self) -> list[str]:
        # Debian installs nginx where only root looks for programs.
        program = "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"
        return [program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    def is_ready(self) -> bool:
        return _status_of(f"{self.state.registry_url('registry_auth')}/subjects") == 401


def all_of(state: State) -> list[Component]:
    """Returns every component, in the order of their start."""
    if state.cluster:
        from stack import cluster

        return [*(cluster.Broker(state, number) for number in BROKERS), Registry(state), cluster.Toxiproxy(state)]
    return [Kafka(state), Registry(state), Proxy(state)]


def _status_of(url: str) -> int | None:
    try:
        with LOOPBACK.open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return None
