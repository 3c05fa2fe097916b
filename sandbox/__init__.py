"""Everything around the product that is not the product: simulators, a local Kafka and MongoDB, the demo."""
