"""HTTP: the operator's API, its OpenAPI document, and the devices' downloads."""
