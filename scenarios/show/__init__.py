"""What a run looks like: a line for each step, live progress on a terminal, plain lines elsewhere."""
