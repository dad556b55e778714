"""Helpers of the end-to-end tests: stack, gateway process, answering side, clients and audits."""
