"""Errors by blame. Each says what was wrong, where, and what to do; the command line maps a class to an exit code.

- OtaSimError
  - UsageFault: our caller asked for something that can't be; exit 2
  - EnvironmentFault: the machine or a service stands in the way; exit 3
  - PeerFault: the other end broke the contract of the protocol
"""


class OtaSimError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code = 1


class UsageFault(OtaSimError):
    """The caller asked for something that can't be: a bad option, a bad file, an impossible count."""

    exit_code = 2


class EnvironmentFault(OtaSimError):
    """The machine stands in the way: a port is taken, a folder in use, too few descriptors, no database."""

    exit_code = 3


class PeerFault(OtaSimError):
    """The other end broke the protocol's contract."""
