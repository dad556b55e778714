"""The running stack as `scripts/stack env` describes it, and how clients reach it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[4]

ENVIRONMENT_VARIABLES = {
    "bootstrap": "AG_STACK_BOOTSTRAP",
    "registry_url": "AG_STACK_REGISTRY_URL",
    "sasl_bootstrap": "AG_STACK_SASL_BOOTSTRAP",
    "sasl_user": "AG_STACK_SASL_USER",
    "sasl_password": "AG_STACK_SASL_PASSWORD",
    "relayed_listener": "AG_STACK_RELAYED",
    "relay_address": "AG_STACK_RELAY",
    "ca": "AG_STACK_CA",
    "registry_auth_url": "AG_STACK_REGISTRY_AUTH_URL",
    "registry_user": "AG_STACK_REGISTRY_USER",
    "registry_password": "AG_STACK_REGISTRY_PASSWORD",
    "directory": "AG_STACK_DIR",
}


class StackNotRunningError(Exception):
    """The stack is not described in the environment."""


@dataclass(frozen=True)
class Access:
    """One way into Kafka and the registry: for librdkafka, for the registry client, for the gateway."""

    bootstrap: str
    kafka: Mapping[str, str]
    registry: Mapping[str, str]
    gateway_settings: Mapping[str, str]
    secrets: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Stack:
    """Addresses and credentials of the running stack."""

    bootstrap: str
    registry_url: str
    sasl_bootstrap: str
    sasl_user: str
    sasl_password: str
    # Clients of the first are sent on to the second, where a test has to hand on what they say.
    relayed_listener: str
    relay_address: str
    ca: str
    registry_auth_url: str
    registry_user: str
    registry_password: str
    directory: str

    @classmethod
    def from_environment(cls) -> "Stack":
        """Reads AG_STACK_*; raises StackAwayError naming every variable that is not set."""
        missing = [name for name in ENVIRONMENT_VARIABLES.values() if not os.environ.get(name)]
        if missing:
            raise StackNotRunningError(
                "these tests need the real stack, and "
                + ", ".join(missing)
                + ' are not set; run: scripts/stack up && eval "$(scripts/stack env)"'
            )
        return cls(**{key: os.environ[name] for key, name in ENVIRONMENT_VARIABLES.items()})

    def plaintext_access(self) -> Access:
        """The plaintext listener and the registry without a password."""
        return Access(
            bootstrap=self.bootstrap,
            kafka={"bootstrap.servers": self.bootstrap},
            registry={"url": self.registry_url},
            gateway_settings={
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
                "KAFKA_SCHEMA_REGISTRY_URL": self.registry_url,
            },
        )

    def secured_access(self) -> Access:
        """SASL_SSL with PLAIN, and the registry behind basic authentication."""
        return Access(
            bootstrap=self.sasl_bootstrap,
            kafka={
                "bootstrap.servers": self.sasl_bootstrap,
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
                "sasl.username": self.sasl_user,
                "sasl.password": self.sasl_password,
                "ssl.ca.location": self.ca,
            },
            registry={
                "url": self.registry_auth_url,
                "basic.auth.user.info": f"{self.registry_user}:{self.registry_password}",
            },
            gateway_settings={
                "KAFKA_BOOTSTRAP_SERVERS": self.sasl_bootstrap,
                "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "KAFKA_SASL_MECHANISM": "PLAIN",
                "KAFKA_API_KEY": self.sasl_user,
                "KAFKA_API_SECRET": self.sasl_password,
                "GATEWAY__KAFKA__SSL_CA": self.ca,
                "KAFKA_SCHEMA_REGISTRY_URL": self.registry_auth_url,
                "SCHEMA_REGISTRY_API_KEY": self.registry_user,
                "SCHEMA_REGISTRY_API_SECRET": self.registry_password,
            },
            secrets=(self.sasl_password, self.registry_password),
        )

    def stop(self, service: str) -> None:
        """Stops `kafka` or `registry`."""
        self._run_stack_tool("stop", service)

    def start(self, service: str) -> None:
        """Starts `kafka` or `registry` again, and returns when it answers."""
        self._run_stack_tool("start", service)

    def freeze(self, service: str) -> None:
        """Stops the process of `kafka` or `registry` (SIGSTOP): it keeps its connections and says nothing."""
        self._run_stack_tool("freeze", service)

    def thaw(self, service: str) -> None:
        """Lets a frozen process go on (SIGCONT), and returns at once."""
        self._run_stack_tool("thaw", service)

    def _run_stack_tool(self, action: str, service: str) -> None:
        command = [str(REPOSITORY / "scripts" / "stack"), action, service]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
