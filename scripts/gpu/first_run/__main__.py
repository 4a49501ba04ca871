"""python -m first_run SUBCOMMAND [ARGUMENTS…]"""

from __future__ import annotations

import sys
from importlib import import_module

from first_run.report import OUT

# Imported when needed: most of them import torch.
SUBCOMMANDS = {
    "env": "machine:env",
    "open": "machine:open_network",
    "patch": "machine:patch",
    "probe": "probe:probe",
    "choose": "choosing:choose",
    "bench": "speed:bench",
    "profile": "profiling:profile",
    "quality": "quality:quality",
    "clip": "quality:clip",
    "soak": "memory:soak",
    "small": "memory:small",
    "tests": "report:tests",
    "table": "report:table",
    "report": "report:report",
}

if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    subcommand, *arguments = sys.argv[1:]
    module, _, function = SUBCOMMANDS[subcommand].partition(":")
    getattr(import_module(f"first_run.{module}"), function)(*arguments)
