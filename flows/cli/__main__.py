"""Where `darkroom` begins: what the environment must say before Ray is imported, then the command line."""

import gc
import os
import secrets
import sys
from pathlib import Path

from deployments.services import RAY_HIDE_GPUS, RAY_ONE_MACHINE

TOKEN_BYTES = 32


def main() -> None:
    check_home()
    os.environ["PYTHONSAFEPATH"] = "1"  # a user's tasks.py here must not hide ours from children
    os.environ[RAY_HIDE_GPUS] = "1"
    if "RAY_ADDRESS" not in os.environ:
        guard_ray()
    from flows.cli.main import run  # imports Ray

    status = run(sys.argv[1:])
    gc.freeze()  # or Python looks through all there is for half a second before it ends
    sys.exit(status)


def check_home() -> None:
    """End in one line where nothing says what the home folder is, as for an unknown user in a container.

    Prefect cannot even be imported there.
    """
    try:
        Path.home()
    except RuntimeError:
        print(
            "darkroom: HOME must be set to a folder, and is not: `HOME=/tmp/me darkroom ...`", file=sys.stderr
        )
        sys.exit(2)


def guard_ray() -> None:
    """Have a Ray of this command's own listen on loopback only and obey no other user of this machine.

    Set outright, whatever Ray's defaults are. Its token is made up for each command and written nowhere.
    """
    os.environ[RAY_ONE_MACHINE] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(TOKEN_BYTES)


if __name__ == "__main__":
    main()
