"""Addresses of the running stack, as `scripts/stack env` prints them, and control over its services."""

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
    """The environment does not describe a stack."""


@dataclass(frozen=True)
class Access:
    """One way to reach Kafka and the registry: settings for librdkafka, for the registry client and for the gateway."""

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
    # Kafka's listener for relayed clients advertises `relay_address`, so that a relay there sees every connection.
    relayed_listener: str
    relay_address: str
    ca: str
    registry_auth_url: str
    registry_user: str
    registry_password: str
    directory: str

    @classmethod
    def from_environment(cls) -> "Stack":
        """Reads AG_STACK_*; raises StackNotRunningError naming every variable that is not set."""
        missing = [name for name in ENVIRONMENT_VARIABLES.values() if not os.environ.get(name)]
        if missing:
            raise StackNotRunningError(
                "these tests need the real stack, and "
                + ", ".join(missing)
                + ' are not set; run: scripts/stack up && eval "$(scripts/stack env)"'
            )
        return cls(**{key: os.environ[name] for key, name in ENVIRONMENT_VARIABLES.items()})

    def plaintext_access(self) -> Access:
        """Returns the access by the plaintext listener and to the registry without a password."""
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
        """Returns the access by SASL_SSL with PLAIN and to the registry behind basic authentication."""
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
        """Starts `kafka` or `registry` again and returns when it answers."""
        self._run_stack_tool("start", service)

    def freeze(self, service: str) -> None:
        """Stops the process of `kafka` or `registry` with SIGSTOP: it keeps its connections and sends nothing."""
        self._run_stack_tool("freeze", service)

    def thaw(self, service: str) -> None:
        """Continues a frozen process (SIGCONT) and returns at once."""
        self._run_stack_tool("thaw", service)

    def _run_stack_tool(self, action: str, service: str) -> None:
        command = [str(REPOSITORY / "scripts" / "stack"), action, service]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
