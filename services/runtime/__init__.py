"""How a process of the product lives: settings, Kafka, health, metrics, logs, start and stop."""
