"""`python -m scenarios.cli`: the command line where its script is not on the path."""

from scenarios.cli import main

main()
