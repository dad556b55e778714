"""Reads the ledger of a gateway from its metrics: the account of all accepted questions."""

from harness.gateway import Gateway


def read_ledger(gateway: Gateway) -> dict[str, float]:
    """Returns the ledger of a process."""
    metrics = gateway.metrics()
    outcomes = ("answered", "expired", "cancelled", "failed", "undeliverable", "handed_off")
    account = {name: metrics.value("answer_gateway_questions_total", outcome=name) for name in outcomes}
    account["pending"] = metrics.value("answer_gateway_questions_pending")
    account["accepted"] = metrics.value("answer_gateway_questions_accepted_total")
    account["adopted"] = metrics.value("answer_gateway_questions_adopted_total")
    return account


def assert_ledger_balanced(gateway: Gateway) -> None:
    """Fails unless every accepted or adopted question is accounted for once."""
    account = read_ledger(gateway)
    came = account.pop("accepted") + account.pop("adopted")
    assert came == sum(account.values()), account
