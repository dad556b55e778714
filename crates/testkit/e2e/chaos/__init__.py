"""The fault suite: runs real brokers, gateways, clients and an answering side, and injects faults between them."""
