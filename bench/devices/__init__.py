"""Programs that do the same devices' jobs, each over another MQTT client. `bench.clients` starts them, one at a time."""
