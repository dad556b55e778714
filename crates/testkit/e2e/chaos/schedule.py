"""Plans the faults of a run: order, times and targets follow from a seed alone. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

# Duration of a freeze. The shortest one drawn is half of it, which is still longer than the cluster's
# `broker.session.timeout.ms`: the broker finds itself fenced when it continues.
FREEZE_SECONDS = 8.0
# Every fault and its mean duration in seconds; 0: the fault is a single event.
FAULTS = {
    "kill a gateway": 0.0,
    "restart every gateway, one after the other": 0.0,
    "kill the leader of a partition": 4.0,
    "kill every broker": 3.0,
    "freeze the leader of a partition": FREEZE_SECONDS,
    "freeze every broker": FREEZE_SECONDS,
    "registry down": 4.0,
    "registry slow": 4.0,
    "registry answers 500": 4.0,
    "registry answers 404": 3.0,
    "cut a broker from the gateways": 3.0,
    "throttle the brokers": 4.0,
    "cut the clients of a gateway": 2.0,
    "throttle the clients of a gateway": 4.0,
    "wall clock jumps": 5.0,
    "clients vanish": 0.0,
    "clients stop reading": 0.0,
    "a partition is added": 0.0,
    "a batch that cannot be unpacked is written": 0.0,
}


@dataclass(frozen=True)
class PlannedFault:
    """One fault of the schedule, with its start and duration in seconds."""

    at: float
    fault: str
    lasts: float
    # Number of the gateway or broker, from 1.
    target: int


def plan_faults(seed: int, rounds: int, gap: float, chosen: tuple[str, ...] = tuple(FAULTS)) -> list[PlannedFault]:
    """Plans every chosen fault once a round, each round in a new order, never two at a time."""
    return list(_draw_faults(random.Random(seed), rounds, gap, chosen))


def _draw_faults(rng: random.Random, rounds: int, gap: float, chosen: tuple[str, ...]) -> Iterator[PlannedFault]:
    now = gap
    for _ in range(rounds):
        order = list(chosen)
        rng.shuffle(order)
        for fault in order:
            lasts = FAULTS[fault] * rng.uniform(0.5, 1.5)
            yield PlannedFault(round(now, 1), fault, round(lasts, 1), rng.randint(1, 3))
            now += lasts + gap * rng.uniform(0.5, 1.5)
