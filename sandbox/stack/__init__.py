"""A real Apache Kafka, a real MongoDB and processes of the product on one machine, without containers and system Java.

It knows the product by command line and environment only. Everything runs on loopback, and what was started is
stopped by pid: see `processes` for what holds when a run is killed.
"""
