"""Finding a corpus, feature, model or protocol by its name: a file of the package, an installed plug-in, or a file's path.

The modules of a package such as `wser.models` are its choices, except those with a leading underscore.  An installed
distribution adds choices by an entry point in the group of that name, and a user's file is named by its path, as in
`model=./mine.py`.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from precompute.common.errors import WserError, unknown


def names(package: str) -> list[str]:
    """Names of all choices of a package, sorted: its modules, and installed plug-ins."""
    return sorted({*_own(package), *_installed(package)})


def load(package: str, name: str, what: str, error: type[WserError]) -> ModuleType:
    """The module of a name; the package's own comes before an installed plug-in.

    Args:
        package: Its name, as `wser.models`.
        name: A choice of it, or the path of a Python file.
        what: Kind of the choices, for the message.
        error: Class of the error.

    Raises:
        WserError: There is none of that name, or it cannot be imported.
    """
    if is_path(name):
        return _of_file(package, Path(name), what, error)
    if name in _own(package):
        return importlib.import_module(f"{package}.{name}")
    installed = _installed(package)
    if name not in installed:
        raise error(unknown(what, name, names(package)))
    try:
        return importlib.import_module(installed[name])
    except Exception as fault:  # a plug-in can raise anything
        raise error(
            f"the {what} {name} of {installed[name]} cannot be imported ({_why(fault)}): update or uninstall it"
        ) from fault


def is_path(name: str) -> bool:
    """Whether a name is the path of a file, and not a choice of a package."""
    return name.endswith(".py")


def file(module: ModuleType) -> Path:
    """The file of a module's source."""
    return Path(str(module.__file__))


@lru_cache
def _own(package: str) -> frozenset[str]:
    # The package itself is not imported, which would take time.
    spec = importlib.util.find_spec(package)
    modules = pkgutil.iter_modules(spec.submodule_search_locations if spec else None)
    return frozenset(module.name for module in modules if not module.name.startswith("_"))


@lru_cache
def _installed(package: str) -> dict[str, str]:
    """Names of modules by the name of their entry point."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=package)}


def _of_file(package: str, path: Path, what: str, error: type[WserError]) -> ModuleType:
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise error(f"the {what} {path} cannot be read ({fault.strerror}): give the path of a Python file") from None
    # The name contains a digest of content and place, so that an edited file or a moved one is another module.
    name = f"{package}._{path.stem}_{hashlib.sha256(content + os.fsencode(path.resolve())).hexdigest()[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise error(f"the {what} {path} is not a Python file: give one that ends in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        # It may import files beside it.
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        except Exception as fault:  # a plug-in can raise anything
            del sys.modules[name]
            raise error(f"the {what} {path} cannot be imported ({_why(fault)}): correct it") from fault
        finally:
            sys.path.remove(str(path.parent))
        import cloudpickle

        # Worker processes cannot import a module of this name.
        cloudpickle.register_pickle_by_value(module)
    return sys.modules[name]


def _why(fault: Exception) -> str:
    return " ".join(f"{type(fault).__name__}: {fault}".split())[:200]
