"""Benchmarks: each stage of the pipeline, and a bare loop of the same libraries for comparison."""
