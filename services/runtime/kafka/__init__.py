"""Everything that speaks to Kafka: clients, topics, publishing, consuming, reading without a group."""
