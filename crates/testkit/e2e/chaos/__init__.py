"""The fault suite: real brokers, gateways, clients and answering sides, and all that may go wrong between them."""
