"""The device without its sockets: what it knows, and what it does when something happens.

`Device.handle(event, now_ms)` answers with effects; `Device.due_ms` says when it wants a `Tick`. Nothing here does I/O,
reads a clock, or holds random state: what is drawn is a hash of (seed, device, purpose, counter).
"""
