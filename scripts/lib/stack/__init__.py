"""The real components behind `scripts/stack`: one Kafka broker, one schema registry, and nginx before the registry."""
