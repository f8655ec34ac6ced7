"""Every error that crosses a module border; the class's docstring is the message for a reader who has no details.

api/errors.py turns each into a status and a problem document; cli.py prints it as one line.
"""


class MinamotoError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(message or type(self).__doc__ or "")
        self.message = message or (type(self).__doc__ or "").strip()
        self.field = field


class Invalid(MinamotoError):
    """The input is not valid."""


class Denied(MinamotoError):
    """You may not do this."""


class NotFound(MinamotoError):
    """There is nothing here."""


class Conflict(MinamotoError):
    """This contradicts what is already known."""


class Limited(MinamotoError):
    """Too many requests; try again later."""


class Unready(MinamotoError):
    """The installation is not ready; run `minamoto check`."""
