"""Ports for servers that tests start."""

from functools import partial

from deployments import services

free_ports = partial(services.free_ports, services.LOOPBACK)
