"""`ota-sim load create-task`: tasks created by many at once, how long that takes, and whether a licence was lost.

Locust holds one user for each creator (`inside`, under gevent, imported by Locust's process alone). The rest is the
command's: it makes the ground, follows the load, and judges what came of it.
"""
