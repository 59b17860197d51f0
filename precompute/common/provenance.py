"""Where a result comes from: time, user, machine, versions."""

import getpass
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def provenance(packages: Sequence[str], precision: str = "seconds") -> dict[str, Any]:
    """A record of time, user, machine and versions, for JSON.

    Args:
        packages: Names of distributions whose versions matter; the version of one that is not installed is None.
        precision: Of the time, as `datetime.isoformat` takes it.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec=precision),
        "by": _user(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in packages}},
    }


@cache
def version_of(package: str) -> str | None:
    """Version of a package as it was installed when first asked for; None where it is not, as in a bare checkout."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return f"uid {os.getuid()}"
