"""Ways to carry MQTT between devices and the service: `embedded` (ours), and amqtt in the same process.

A broker authenticates nobody and decides nothing about updates: it holds the access point's profile and limits,
hands what devices send to the service's `Uplink`, and is its `Downlink`.
"""
