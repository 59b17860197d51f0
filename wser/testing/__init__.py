"""Contract suites: what every model, protocol, feature and corpus must pass, the package's own and other people's.

    from wser.testing import ModelContract

    class TestMine(ModelContract):
        name = "./mine.py"

and pytest runs them; `docs/extending.md` walks through it.
"""

from precompute.testing.corpora import CorpusContract
from precompute.testing.features import FeatureContract
from wser.testing.models import ModelContract
from wser.testing.protocols import ProtocolContract

__all__ = ["CorpusContract", "FeatureContract", "ModelContract", "ProtocolContract"]
