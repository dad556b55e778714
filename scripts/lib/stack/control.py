"""Starts and stops a stack, whole or one component at a time."""

import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from common import Failure, say, tail_of
from stack import process
from stack.components import Component, all_of
from stack.state import State, is_free

NAMES = ("kafka", "registry", "proxy")
_POLL = 0.1


def up(directory: Path, chosen_ports: dict[str, int], *, cluster: bool = False) -> State:
    """Starts each component that does not run; if one fails, those that this call started are stopped again.

    `cluster` means three brokers behind proxies instead of one.
    """
    state = State.load(directory) or State.new(directory, chosen_ports, cluster=cluster)
    for port, number in chosen_ports.items():
        if state.ports[port] != number:
            raise Failure(
                f"the stack in {directory} has port {state.ports[port]}, not {number}; scripts/stack down first"
            )
    start(state, names_of(state))
    return state


def start(state: State, names: Sequence[str]) -> None:
    """Starts the named components on their ports and data, and returns when all of them serve clients."""
    wanted = _named(state, names)
    started: list[Component] = []
    try:
        for component in wanted:
            if not process.is_alive(state.processes.get(component.name)):
                started.append(component)
                _launch(state, component)
        for component in wanted:
            _await_ready(state, component, is_fresh=component in started)
    except BaseException:
        say("  stopping the components that were started")
        _stop(state, reversed(started))
        raise


def stop(state: State, names: Sequence[str], *, at_once: bool = False) -> None:
    """Stops the named components, with SIGKILL if `at_once`; their ports and data stay."""
    _stop(state, reversed(_named(state, names)), at_once=at_once)


def freeze(state: State, names: Sequence[str], *, thaw: bool = False) -> None:
    """Freezes the processes of the named components with SIGSTOP, or continues them."""
    for component in _named(state, names):
        identity = state.processes.get(component.name)
        if identity is None or not process.is_alive(identity):
            raise Failure(f"{component.name} does not run")
        process.send(identity, signal.SIGCONT if thaw else signal.SIGSTOP)
        say(f"  {component.name}: {'continued' if thaw else 'frozen'}")


def down(directory: Path) -> bool:
    """Stops everything and removes the folder; returns False when there is no stack."""
    state = State.load(directory)
    if state is None:
        return False
    _stop(state, reversed(all_of(state)))
    shutil.rmtree(directory)
    return True


def describe(state: State) -> list[tuple[str, str, bool]]:
    """Returns name, a line for people, and whether it serves clients, for each component."""
    lines = []
    for component in all_of(state):
        identity = state.processes.get(component.name)
        addresses = ", ".join(state.address(port) for port in component.ports)
        if not process.is_alive(identity):
            lines.append((component.name, f"not running ({addresses})", False))
        else:
            ready = component.is_ready()
            word = "ready" if ready else "running, does not answer"
            lines.append((component.name, f"{word} on {addresses}, pid {process.pid_of(identity or '')}", ready))
    return lines


def names_of(state: State) -> tuple[str, ...]:
    """Returns the names of a stack's components."""
    return tuple(component.name for component in all_of(state))


def _named(state: State, names: Iterable[str]) -> list[Component]:
    return [component for component in all_of(state) if component.name in names]


def _launch(state: State, component: Component) -> None:
    # A killed process may hold its ports for a moment longer than its pid.
    deadline = time.monotonic() + 5
    for port in component.ports:
        while not is_free(state.ports[port]):
            if time.monotonic() > deadline:
                raise Failure(
                    f"{component.name} needs {state.address(port)}, which something else uses (see: ss -ltnp 'sport = "
                    f":{state.ports[port]}'); free it, or scripts/stack down and up for other ports"
                )
            time.sleep(_POLL)
    component.folder.mkdir(exist_ok=True)
    component.prepare()
    say(f"  {component.name}: starting on {', '.join(state.address(port) for port in component.ports)}")
    identity = process.spawn(component.command(), component.log, component.environment(), component.folder)
    state.processes[component.name] = identity
    state.save()


def _await_ready(state: State, component: Component, *, is_fresh: bool) -> None:
    began = reported = time.monotonic()
    limit = f"{component.ready_within:.0f} s"
    while not component.is_ready():
        now = time.monotonic()
        if not process.is_alive(state.processes.get(component.name)):
            raise Failure(f"{component.name} ended before it was ready\n{tail_of(component.log)}")
        if now - began > component.ready_within:
            raise Failure(f"{component.name} was not ready within {limit}\n{tail_of(component.log)}")
        if now - reported > 5:
            say(f"  {component.name}: waiting, {now - began:.0f} s of at most {limit}")
            reported = now
        time.sleep(_POLL)
    say(f"  {component.name}: ready{f' after {time.monotonic() - began:.1f} s' if is_fresh else ', ran already'}")


def _stop(state: State, components: Iterable[Component], *, at_once: bool = False) -> None:
    for component in components:
        identity = state.processes.get(component.name)
        if identity is None:
            continue
        if process.is_alive(identity):
            process.stop(identity, component.stops_within, signal.SIGKILL if at_once else signal.SIGTERM)
            say(f"  {component.name}: stopped")
        del state.processes[component.name]
        state.save()
