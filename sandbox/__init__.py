"""Tools around the product: simulators of Personio and Declaree, a local Kafka and MongoDB, and the demo."""
