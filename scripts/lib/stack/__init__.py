"""The processes behind `scripts/stack`: one Kafka broker or three, a schema registry, and proxies."""
