"""A fleet over several processes: `shards` owns them, `shard` is one of them, `messages` is what they say.

One process holds what one core and one limit of descriptors allow; `plan` says how many a fleet takes.
"""
