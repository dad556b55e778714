"""The components of a cluster: three brokers, and a proxy on every link that can cut, delay and throttle it."""

import json
from pathlib import Path

import tools
from common import LOOPBACK, output_of
from stack.components import Component, Kafka
from stack.state import BROKERS, GATEWAYS, State


class Broker(Kafka):
    """One of three brokers."""

    ready_within = 120
    stops_within = 40
    cluster_id = "answergatewaychaos0000"

    def __init__(self, state: State, number: int) -> None:
        self.number = number
        self.name = f"kafka-{number}"
        self.ports = tuple(f"{listener}_{number}" for listener in ("direct", "inner", "controller"))
        super().__init__(state)

    def write_properties(self) -> Path:
        listeners = ("direct", "inner", "outer", "controller")
        values = {listener: self.state.address(f"{listener}_{self.number}") for listener in listeners}
        values |= {"number": str(self.number), "data": str(self.folder / "data")}
        return self.write_from("cluster-broker.properties", "server.properties", **values)

    def is_ready(self) -> bool:
        return output_of(["kcat", "-m", "5", "-L", "-b", self.state.address(f"direct_{self.number}")]) is not None


class Toxiproxy(Component):
    """A proxy on every link: to each broker, to the registry, and from the clients to each gateway."""

    name = "toxiproxy"
    ports = ("toxiproxy",)
    ready_within = 15
    stops_within = 5

    def prepare(self) -> None:
        (self.folder / "proxies.json").write_text(json.dumps(self._proxies(), indent=2))

    def command(self) -> list[str]:
        port = str(self.state.ports["toxiproxy"])
        return [str(tools.program("toxiproxy")), "-port", port, "-config", str(self.folder / "proxies.json")]

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
