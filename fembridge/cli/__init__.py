"""The command line: one verb for each question. stdout carries the result alone; progress and errors go to stderr.

Heavy libraries are imported by the verbs that need them: --version answers at once.
"""

from fembridge.cli import claims, activations, training, networks, pages  # noqa: I001 - in the order of --help
from fembridge.cli.app import app

__all__ = ["activations", "app", "claims", "networks", "pages", "training"]
