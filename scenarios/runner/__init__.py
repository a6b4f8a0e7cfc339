"""Playing a scenario: the stub and the fleet are started, each step is done, compared, and the books are audited."""
