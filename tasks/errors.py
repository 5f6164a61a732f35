"""The errors that end a run. The command line prints their one line and no traceback."""


class InputError(ValueError):
    """The user's input cannot be used. Says the rule, what was received and what to do. Exit status 2."""


class JobError(RuntimeError):
    """The work cannot be finished. Says what failed and what to do. Exit status 1."""


class BrokenFileError(JobError, ValueError):
    """A file that was to be read back is not what was written: damaged, or of somebody else's making."""

    def __init__(self, url: str, reason: object):
        line = " ".join(str(reason).split())[:200]
        super().__init__(f"Files must be as they were written. Received {url!r}, which is broken ({line}).")


class Diverged(JobError):
    """The loss of a training is not a finite number any more. All workers raise it; a retry would too."""


def error_in_words(error: Exception, folder: str) -> str:
    """One line about any error, without the full stop. Files are named by their place in `folder`."""
    kind = "" if isinstance(error, InputError | JobError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split()).replace(f"{folder}/", "").rstrip(".")
