"""MQTT 3.1.1 as values and bytes: packets, and a codec that both ends use. No I/O, no sessions, no clock.

What a peer may do with these packets (profile, limits, order) is decided in `broker` and in the device.
Source: MQTT Version 3.1.1, OASIS Standard; its rules are cited as [MQTT-x.y.z-n].
"""
