"""`ota-sim load fleet`: as many devices as the machine holds, connected, told and updated once, and what that took.

Each shard of the fleet is a process (`device_sim.shards`); Locust holds one user for each and counts what they did
(`inside`, under gevent, imported by Locust's process alone). The rest is the command's: it makes the ground, says when
what happens, and judges what came of it.
"""
