"""Every exception that Cohortium raises on purpose.

    CohortiumError
    ├── ConfigError     the configuration or the command line is wrong; nothing was started
    ├── Refused         a policy says no; asking again will not help
    │   └── Later       nor will it before some time has passed
    ├── Malformed       the input cannot be understood; that item is set aside
    ├── Unavailable     something needed is not there just now; try again
    └── Corrupt         stored bytes are not what was stored; stop and look

A message says what, where and what to do next. It never contains a value taken from a patient's data:
attribute names, offsets, digests and item numbers only. Problems of data quality are not exceptions but
`values.Finding`.
"""

__all__ = ["CohortiumError", "ConfigError", "Corrupt", "Later", "Malformed", "Refused", "Unavailable"]


class CohortiumError(Exception):
    """Root of the tree; `exit_code` is what the command line ends with, and never changes meaning."""

    exit_code = 1


class ConfigError(CohortiumError):
    """The configuration or the command line is wrong; the message lists every mistake found."""

    exit_code = 2


class Refused(CohortiumError):
    """A policy says no: a mode, a path, a protocol, a missing grant."""

    exit_code = 3


class Later(Refused):
    """A policy says not now; `wait` seconds from now it may be asked again."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class Malformed(CohortiumError):
    """The input cannot be understood; `offset` is the byte at which understanding ended, if known."""

    exit_code = 4

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (byte {offset})")
        self.offset = offset


class Unavailable(CohortiumError):
    """Disk full, database locked, port taken: nothing is lost, and a later try may succeed."""

    exit_code = 5


class Corrupt(CohortiumError):
    """Stored bytes do not have the digest or the seal under which they were stored."""

    exit_code = 6
