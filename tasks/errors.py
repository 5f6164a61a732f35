"""The two ways a run refuses to go on; the command line prints their one line and no traceback."""


class InputError(ValueError):
    """What the user gave cannot be used: says the rule, what was received and what to do. Exit status 2."""


class JobError(RuntimeError):
    """The work itself cannot be finished: says what failed and what to do. Exit status 1."""


class Diverged(JobError):
    """A training whose loss is no number any more; the same on all workers, and again if repeated."""
