"""Contract suites: what every model and every protocol must pass, the package's own and other people's.

    from wser.testing import ModelContract

    class TestMine(ModelContract):
        name = "./mine.py"

and pytest runs them; `docs/extending.md` walks through it.
"""

from wser.testing.models import ModelContract
from wser.testing.protocols import ProtocolContract

__all__ = ["ModelContract", "ProtocolContract"]
