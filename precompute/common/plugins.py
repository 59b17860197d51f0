"""Finding a corpus, feature, model or protocol by its name: a file of the package, an installed plug-in, or a file's path.

A room is a package whose files are its choices, as `wser.models`; a leading underscore is no choice.  An installed package adds
to it by an entry point of the group of that name, and a user's own file by its path, as in `model=./mine.py`.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from precompute.common.errors import WserError, unknown


def names(room: str) -> list[str]:
    """Names of all choices of a room, sorted: its files, and what is installed."""
    return sorted({*_own(room), *_installed(room)})


def load(room: str, name: str, what: str, error: type[WserError]) -> ModuleType:
    """The module that a name stands for; the package's own comes before an installed one.

    Args:
        room: Name of the package, as `wser.models`.
        name: A choice of it, or the path of a Python file.
        what: Of which kind the choices are, for the message.
        error: What is raised.

    Raises:
        WserError: There is none of that name, or it cannot be imported.
    """
    if is_path(name):
        return _of_file(room, Path(name), what, error)
    if name in _own(room):
        return importlib.import_module(f"{room}.{name}")
    installed = _installed(room)
    if name not in installed:
        raise error(unknown(what, name, names(room)))
    try:
        return importlib.import_module(installed[name])
    except Exception as fault:  # a stranger's module raises whatever it meets
        raise error(
            f"the {what} {name} of {installed[name]} cannot be imported ({_why(fault)}): update or uninstall it"
        ) from fault


def is_path(name: str) -> bool:
    """Whether a name is the path of a file, and no choice of a room."""
    return name.endswith(".py")


def file(module: ModuleType) -> Path:
    """The file of a module's source."""
    return Path(str(module.__file__))


@lru_cache
def _own(room: str) -> frozenset[str]:
    # The room itself is not imported: to know its choices is no use of it.
    spec = importlib.util.find_spec(room)
    found = pkgutil.iter_modules(spec.submodule_search_locations if spec else None)
    return frozenset(module.name for module in found if not module.name.startswith("_"))


@lru_cache
def _installed(room: str) -> dict[str, str]:
    """Names of modules by that of the entry point."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=room)}


def _of_file(room: str, path: Path, what: str, error: type[WserError]) -> ModuleType:
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise error(f"the {what} {path} cannot be read ({fault.strerror}): give the path of a Python file") from None
    # Its name holds what it does, so that an edited file is another module.
    name = f"{room}._{path.stem}_{hashlib.sha256(content).hexdigest()[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise error(f"the {what} {path} is no Python file: give one that ends in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        # It may import files beside it.
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        except Exception as fault:  # a stranger's module raises whatever it meets
            del sys.modules[name]
            raise error(f"the {what} {path} cannot be imported ({_why(fault)}): correct it") from fault
        finally:
            sys.path.remove(str(path.parent))
        import cloudpickle

        # Worker processes do not know a module of this name.
        cloudpickle.register_pickle_by_value(module)
    return sys.modules[name]


def _why(fault: Exception) -> str:
    return " ".join(f"{type(fault).__name__}: {fault}".split())[:200]
