"""The rules as pure functions: what is charged, what is refused and why, and how a job moves."""
