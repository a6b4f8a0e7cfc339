"""Benchmarks: every figure is a ratio, both sides measured in one run, in several rounds, medians shown."""
