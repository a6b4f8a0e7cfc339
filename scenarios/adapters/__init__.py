"""Operator sides of platforms under test: how an adapter is found and run, and the example that is shipped.

`docs/adapters.md` is the guide. What an adapter answers is checked in `scenarios.adapters.guard`.
"""
