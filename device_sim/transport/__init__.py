"""A device's sockets: MQTT, and HTTP for downloads. Bytes move here; what they mean is decided in `core`."""
