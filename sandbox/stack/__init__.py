"""A real Apache Kafka, a real MongoDB and processes of the product on one machine, without containers or a system Java.

The package knows the product by its command lines and environment variables only. All servers listen on loopback.
Processes are stopped by pid; ``processes`` describes what happens to them when a run is killed.
"""
