"""Common parts of every process: settings, Kafka, health, metrics, logs, start and stop."""
