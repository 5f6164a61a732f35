"""`python -m flows.cli`, the same as `darkroom`."""

from flows.cli import main

main()
