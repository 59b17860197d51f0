"""Check one corpus: measure it, say what was found, and write the page."""

from datetime import UTC, datetime
from pathlib import Path

from precompute import corpora
from precompute.check import gallery, page, terminal
from precompute.check.findings import findings
from precompute.check.survey import survey
from precompute.common import files
from precompute.common.errors import CorpusError
from precompute.common.provenance import provenance
from precompute.corpora import Corpus, Scan
from precompute.recipe import Recipe

AS_PUBLISHED, WORTH_READING = 0, 3

PACKAGES = ("wser", "numpy", "soundfile", "soxr", "matplotlib", "pillow")


def check(corpus: Corpus, directory: Path, scan: Scan, recipe: Recipe, jobs: int, out: Path | None, command: str) -> int:
    """Read every recording of a corpus, report on the terminal and write the page.

    Args:
        corpus: The corpus.
        directory: Where it lies.
        scan: What lies there.
        recipe: Of the pictures shown.
        jobs: Processes to use; -1 for all cores.
        out: File of the page; by default `check-<corpus>.html` in the current directory.
        command: As typed, for the page's foot.

    Returns:
        0 where the corpus is as published and every recording can be used, 3 where a warning is worth reading.

    Raises:
        CorpusError: The corpus is empty, a recording changed meanwhile, or the page cannot be written.
    """
    out = out or Path(f"check-{corpus.name}.html")
    if not out.parent.is_dir():
        raise CorpusError(f"{out} cannot be written, since {out.parent} is no directory: make it, or give another --out FILE")
    corpora.require_utterances(corpus, directory, scan)
    measured = survey(corpus, directory, scan, recipe, jobs)
    found = findings(measured)
    pictures = gallery.thumbnails(gallery.choose(measured), directory, recipe, jobs)
    text = page.render(measured, found, pictures, recipe, _about(corpus), _made(command))
    try:
        files.replace(out, text.encode("utf-8", "backslashreplace"), out.parent)
    except OSError as error:
        raise CorpusError(f"{out} cannot be written ({error.strerror}): give another --out FILE") from None
    terminal.show(measured, found)
    print(f"page: {out}")
    return WORTH_READING if any(finding.warning for finding in found) else AS_PUBLISHED


def _about(corpus: Corpus) -> str:
    """The corpus's description; of one that a table lists there is none."""
    return corpora.load(corpus.name).__doc__ or "" if corpus.name in corpora.names() else ""


def _made(command: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance(PACKAGES)["versions"].items())
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, by {command}, with {versions}"
