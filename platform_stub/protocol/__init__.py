"""What the platform and a device agree on: values, texts and bytes. Nothing here does I/O."""
