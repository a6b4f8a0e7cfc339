"""The use cases: the only writer. Each loads what its decision needs, decides, commits, and then acts."""
