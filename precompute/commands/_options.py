"""Options that several commands have, each declared once."""

import argparse
import os

from precompute import corpora as known
from precompute.common import paths

NAMES = "NAME[,NAME...]"
CORPORA = f"{', '.join(known.names())}; all (every real corpus found); or table (your own)"
SEVERAL = f"one or several, with commas: {CORPORA}"
SEVERAL_RECIPES = "names of recipes, one cache for each"

EVERY_CORE = -1

Container = argparse.ArgumentParser | argparse._ArgumentGroup


def corpus(parser: argparse.ArgumentParser, text: str) -> Container:
    """The corpora of a command, as its first argument or by --corpus.

    Args:
        parser: Of the command.
        text: Help of both.

    Returns:
        The group of what excludes each other, for what may be given instead.
    """
    either = parser.add_mutually_exclusive_group(required=True)
    # Without a default, which would undo --corpus where there is no argument.
    either.add_argument("corpus", metavar="NAME", nargs="?", default=argparse.SUPPRESS, help=text)
    either.add_argument("--corpus", metavar="NAME", help="the same as NAME alone")
    return either


def corpora(parser: argparse.ArgumentParser, text: str = "directory that holds the corpora") -> None:
    """Where corpora are, to be read by `finding.parse`."""
    parser.add_argument(
        "--corpora", metavar="[NAME=]DIR[,...]", action="append",
        help=f"{text}; with a name before it, as in ravdess=DIR, the directory of that corpus; several with commas, or by "
        "several --corpora (default: $WSER_CORPORA, else ./corpora)",
    )  # fmt: skip


def cache(parser: argparse.ArgumentParser, text: str = "") -> None:
    """Where caches are, to be read by `places.parse`."""
    parser.add_argument(
        "--cache", metavar="DIR[:DIR...]", default=os.environ.get("WSER_CACHE") or "cache",
        help=f"directories of caches, searched in order{text} (default: $WSER_CACHE, else ./cache)",
    )  # fmt: skip


def caches_to_fill(parser: argparse.ArgumentParser) -> None:
    """Where caches are, and where new ones go."""
    cache(parser, "; new caches go to the first that can be written")


def recipe(
    parser: argparse.ArgumentParser, text: str, metavar: str = "NAME", changed: str = "change parameters of the recipe"
) -> None:
    """The recipe, and changes to it: to be read by `recipe.named`."""
    parser.add_argument("--recipe", metavar=metavar, default="default", help=f"{text} (default: default)")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help=changed)


def jobs(parser: argparse.ArgumentParser) -> None:
    """How many processes work."""
    parser.add_argument("--jobs", metavar="N", type=int, default=EVERY_CORE, help="processes (default: one for each core)")


def executor(parser: argparse.ArgumentParser) -> None:
    """Where work is done, to be read by `executor_settings.parse`."""
    parser.add_argument(
        "--executor", metavar=("NAME", "KEY=VALUE"), nargs="+", default=[],
        help="where pictures are computed: dask address=tcp://HOST:8786 (a running Dask cluster), or slurm partition=NAME "
        "workers=N cores=N memory=4GB time=HH:MM:SS (jobs of Slurm; their script is shown by --dry-run) (default: loky, "
        "processes of this machine)",
    )  # fmt: skip


def out(parser: argparse.ArgumentParser, text: str = "") -> None:
    """The page that a check writes."""
    parser.add_argument(
        "--out", metavar="FILE", type=paths.path, help=f"{text}the page to write (default: check-NAME.html, here)"
    )


def markdown(parser: argparse.ArgumentParser) -> None:
    """The catalogue of corpora."""
    parser.add_argument("--markdown", action="store_true", help="print all facts about each corpus, as in docs/corpora.md")


def dry_run(parser: argparse.ArgumentParser) -> None:
    """Show only the plan."""
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, how large it will be and how long it takes"
    )


def table(parser: argparse.ArgumentParser, title: str) -> None:
    """A corpus that is given by a table, in a group of this title."""
    own = parser.add_argument_group(title)
    own.add_argument(
        "--table", metavar="FILE", type=paths.path,
        help="columns path, speaker, emotion; optionally start, end or duration (s), sex, session, sentence, same_speakers_as "
        "(the corpus whose speakers are the same people under the same names), anything else; other usual names of these "
        "columns, audformat's tables, JSON lines and directories of Kaldi are understood, too",
    )  # fmt: skip
    own.add_argument("--name", metavar="NAME", help="a name for this corpus, for later use as in corpus=NAME")
    own.add_argument("--skip-bad", action="store_true", help="leave out faulty lines, and continue")


def fetching(parser: Container) -> None:
    """How a corpus is downloaded."""
    parser.add_argument(
        "--accept-licence", action="store_true", help="accept the licence that is shown; without this, nothing is downloaded"
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="download the archives, by their names, from this folder of a web server instead"
    )
    parser.add_argument(
        "--accept-changed", action="store_true",
        help="take the corpus even if its checksum or its recordings are not those of the known version; results may then not "
        "be comparable with published ones",
    )  # fmt: skip
