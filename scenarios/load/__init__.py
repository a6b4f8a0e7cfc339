"""Load: task creation by many creators at once, and fleets that fill the machine, on Locust.

Locust makes the load, in a process of its own: gevent is never imported here, but by the files that Locust is given
(`locustfile_*.py`). What is measured is counted exactly, judged against thresholds, and reported.
"""
