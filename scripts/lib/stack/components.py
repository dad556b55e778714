"""The three components: how each is configured and started, and when it is really ready."""

import subprocess
import urllib.error
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import java
from common import LOOPBACK, output_of, run
from stack import certificates
from stack.state import BROKERS, State

# Halves the work of a start, of which fault tests need many; a broker at a few thousand records/s lacks nothing.
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
        """Writes what the process needs before its start; called before every start."""

    @abstractmethod
    def command(self) -> list[str]:
        """The process."""

    def environment(self) -> Mapping[str, str]:
        """What the process finds in its environment beside our own."""
        return {}

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether a client is served now."""


# What is spoken at each listener.
_PROTOCOLS = ("PLAINTEXT:PLAINTEXT", "SASL_SSL:SASL_SSL", "RELAYED:PLAINTEXT", "CONTROLLER:PLAINTEXT")


class Kafka(Component):
    """A KRaft broker and controller in one; it makes no topics. Its listeners: plaintext, plaintext behind a relay of a
    test's own, SASL_SSL."""

    name = "kafka"
    ports = ("kafka", "kafka_sasl", "kafka_relayed", "kafka_controller")
    ready_within = 90
    stops_within = 30

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        certificates.create(self.state.directory / "tls")
        properties = self.folder / "server.properties"
        properties.touch(mode=0o600)
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            storage = ["kafka.tools.StorageTool", "format", "-t", "answergatewaystack0000", "-c", str(properties)]
            run(["java", "-cp", self._class_path(), *storage], log=self.log)

    def command(self) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        options = ["-Xmx512m", quiet, "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        return [
            "java",
            *_QUICK_START,
            *options,
            "-cp",
            self._class_path(),
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        ]

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
        listing = ["kcat", "-m", "5", "-L", "-b"]
        accesses = ([self.state.address("kafka")], [self.state.address("kafka_sasl"), "-F", str(settings)])
        return all(output_of([*listing, *access]) is not None for access in accesses)

    @staticmethod
    def _class_path() -> str:
        return str(java.kafka() / "libs" / "*")

    def _properties(self) -> dict[str, str]:
        state = self.state
        clients = f"PLAINTEXT://{state.address('kafka')},SASL_SSL://{state.address('kafka_sasl')}"
        relayed = f"RELAYED://{state.address('kafka_relayed')}"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        user = f'user_{state.KAFKA_USER}="{state.kafka_password}"'
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{state.address('kafka_controller')}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"{clients},{relayed},CONTROLLER://{state.address('kafka_controller')}",
            "advertised.listeners": f"{clients},RELAYED://{state.address('kafka_relay')}",
            "listener.security.protocol.map": ",".join(_PROTOCOLS),
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{login} {user};",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(state.directory / "tls" / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(state.directory / "tls" / "ca.pem"),
            # Who has no password may do anything, and who has one whatever nobody has restricted.
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "super.users": "User:ANONYMOUS",
            "log.dirs": str(self.folder / "data"),
            # A gateway whose topic is missing must say so; a broker that makes it would hide that.
            "auto.create.topics.enable": "false",
            "num.partitions": "3",
            "offsets.topic.num.partitions": "3",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "3",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }


class Registry(Component):
    """Apicurio with its Confluent-compatible API, on a database in a file, so that ids outlive a restart."""

    name = "registry"
    ports = ("registry",)
    ready_within = 90
    stops_within = 15

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        java.apicurio()

    def command(self) -> list[str]:
        return ["java", "-Xmx512m", *_QUICK_START, "-jar", str(java.apicurio_jar())]

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
    """nginx before the registry, asking for a name and a password."""

    name = "proxy"
    ports = ("registry_auth",)
    ready_within = 15
    stops_within = 5

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"],
            input=self.state.registry_password,
            text=True,
            check=True,
            capture_output=True,
        ).stdout.strip()
        # nginx's workers may run as another user; the file holds a hash only.
        (self.folder / "users").write_text(f"{self.state.REGISTRY_USER}:{hashed}\n")
        (self.folder / "nginx.conf").write_text(self._configuration())

    def command(self) -> list[str]:
        return [_nginx(), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    def is_ready(self) -> bool:
        return _status_of(f"{self.state.registry_url('registry_auth')}/subjects") == 401

    def _configuration(self) -> str:
        temporary = "".join(
            f'  {kind}_temp_path "{self.folder}/{kind}";\n'
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            f'daemon off;\nmaster_process off;\npid "{self.folder}/nginx.pid";\nerror_log stderr warn;\n'
            "events { worker_connections 512; }\n"
            f"http {{\n  access_log off;\n{temporary}"
            f"  server {{\n    listen {self.state.address('registry_auth')};\n"
            f'    auth_basic registry;\n    auth_basic_user_file "{self.folder}/users";\n'
            f"    location / {{ proxy_pass http://{self.state.address('registry')}; proxy_set_header Host $http_host;"
            ' proxy_set_header Authorization ""; }\n'
            "  }\n}\n"
        )


def all_of(state: State) -> list[Component]:
    """Every component, in the order in which they are stopped last to first."""
    if state.cluster:
        from stack import cluster

        return [*(cluster.Broker(state, number) for number in BROKERS), Registry(state), cluster.Toxiproxy(state)]
    return [Kafka(state), Registry(state), Proxy(state)]


def _nginx() -> str:
    """Debian keeps nginx where only root looks for programs."""
    return "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"


def _status_of(url: str) -> int | None:
    try:
        with LOOPBACK.open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return None
