"""The conformance suite: any device program, started by a command, against the stub and what can go wrong with it.

A case is data (`case`, `cases`, made of `steps` and `wants`), played (`playing`) on a bench (`bench`) that has a stub,
the program (`program`) and between them two relays (`http_relay`, `mqtt_relay`) that write down the wire (`record`) and
go wrong on purpose (`spoils`). What a device has said is judged in `judging`.
"""
