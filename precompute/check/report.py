"""A corpus measured, and the page of what was found written."""

from datetime import UTC, datetime
from pathlib import Path

from precompute import corpora
from precompute.check import gallery, page
from precompute.check.findings import Finding, findings
from precompute.check.survey import Survey, survey
from precompute.common import files
from precompute.common.errors import CorpusError
from precompute.common.provenance import provenance
from precompute.corpora import Corpus, Scan
from precompute.recipe import Recipe

PACKAGES = ("wser", "numpy", "soundfile", "soxr", "matplotlib", "pillow")


def write(
    corpus: Corpus, directory: Path, scan: Scan, recipe: Recipe, jobs: int, out: Path, command: str
) -> tuple[Survey, list[Finding]]:
    """Read every recording of a corpus and write the page.

    Args:
        corpus: The corpus.
        directory: Where it is.
        scan: What is there.
        recipe: Of the pictures shown.
        jobs: Processes to use; -1 for all cores.
        out: File of the page.
        command: As typed, for the page's foot.

    Returns:
        What was measured, and what was found in it, warnings first.

    Raises:
        CorpusError: The corpus is empty, a recording changed meanwhile, or the page cannot be written.
    """
    if not out.parent.is_dir():
        raise CorpusError(
            f"{out} cannot be written, since {out.parent} is not a directory: make it, or give another --out FILE"
        )
    corpora.require_utterances(corpus, directory, scan)
    measured = survey(corpus, directory, scan, recipe, jobs)
    listed = findings(measured)
    pictures = gallery.thumbnails(gallery.choose(measured), directory, recipe, jobs)
    text = page.render(measured, listed, pictures, recipe, _about(corpus), _made(command))
    try:
        files.replace(out, text.encode("utf-8", "backslashreplace"), out.parent)
    except OSError as error:
        raise CorpusError(f"{out} cannot be written ({error.strerror}): give another --out FILE") from None
    return measured, listed


def _about(corpus: Corpus) -> str:
    """The corpus's description; of one that a table lists there is none."""
    return corpora.load(corpus.name).__doc__ or "" if corpus.name in corpora.names() else ""


def _made(command: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance(PACKAGES)["versions"].items())
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, by {command}, with {versions}"
