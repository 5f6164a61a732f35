"""The errors that end a run. The command line prints their one line and no traceback."""


class InputError(ValueError):
    """The user's input cannot be used. Says the rule, what was received and what to do. Exit status 2."""


class JobError(RuntimeError):
    """The work cannot be finished. Says what failed and what to do. Exit status 1."""


class Diverged(JobError):
    """The loss of a training is not a finite number any more. All workers raise it; a retry would too."""
