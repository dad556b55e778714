"""Three brokers, each reached by gateways through a proxy that can cut, delay and throttle."""

import json

import tools
from common import LOOPBACK, output_of, run
from stack.components import Component, Kafka
from stack.state import BROKERS, GATEWAYS, State


class Broker(Kafka):
    """One of three brokers and controllers. A record is in two of them before it counts as written."""

    ready_within = 120
    stops_within = 40

    def __init__(self, state: State, number: int) -> None:
        self.number = number
        self.name = f"kafka-{number}"
        self.ports = tuple(f"{listener}_{number}" for listener in ("direct", "inner", "controller"))
        super().__init__(state)

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            storage = ["kafka.tools.StorageTool", "format", "-t", "answergatewaychaos0000", "-c", str(properties)]
            run(["java", "-cp", self._class_path(), *storage], log=self.log)

    def is_ready(self) -> bool:
        return output_of(["kcat", "-m", "5", "-L", "-b", self.state.address(f"direct_{self.number}")]) is not None

    def _properties(self) -> dict[str, str]:
        address, number = self.state.address, self.number
        voters = ",".join(f"{one}@{address(f'controller_{one}')}" for one in BROKERS)
        return {
            "process.roles": "broker,controller",
            "node.id": str(number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "DIRECT",
            "listeners": f"DIRECT://{address(f'direct_{number}')},GATEWAY://{address(f'inner_{number}')},"
            f"CONTROLLER://{address(f'controller_{number}')}",
            "advertised.listeners": f"DIRECT://{address(f'direct_{number}')},GATEWAY://{address(f'outer_{number}')}",
            "listener.security.protocol.map": "DIRECT:PLAINTEXT,GATEWAY:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "unclean.leader.election.enable": "false",
            "offsets.topic.num.partitions": "3",
            "offsets.topic.replication.factor": "3",
            "transaction.state.log.num.partitions": "3",
            "transaction.state.log.replication.factor": "3",
            "transaction.state.log.min.isr": "2",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that is gone is noticed soon: faults are to follow each other closely.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "replica.lag.time.max.ms": "5000",
        }


class Toxiproxy(Component):
    """A proxy on every link: to each broker, to the registry, and from the clients to each gateway."""

    name = "toxiproxy"
    ports = ("toxiproxy",)
    ready_within = 15
    stops_within = 5

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "proxies.json").write_text(json.dumps(self._proxies(), indent=2))

    def command(self) -> list[str]:
        port = str(self.state.ports["toxiproxy"])
        return [str(tools.toxiproxy()), "-port", port, "-config", str(self.folder / "proxies.json")]

    def is_ready(self) -> bool:
        try:
            with LOOPBACK.open(f"http://{self.state.address('toxiproxy')}/proxies", timeout=5) as answer:
                return len(json.load(answer)) == len(self._proxies())
        except OSError:
            return False

    def _proxies(self) -> list[dict[str, object]]:
        links = {f"broker-{number}": (f"outer_{number}", f"inner_{number}") for number in BROKERS}
        links |= {f"clients-{number}": (f"front_{number}", f"gateway_{number}") for number in GATEWAYS}
        links["registry"] = ("registry_outer", "registry_faults")
        address = self.state.address
        return [
            {"name": name, "listen": address(outer), "upstream": address(inner), "enabled": True}
            for name, (outer, inner) in links.items()
        ]
