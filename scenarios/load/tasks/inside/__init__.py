"""Inside Locust's process: the creators, under gevent, and the load that they are together."""
