"""The corpora as a page of documentation, `docs/corpora.md`, made from what each corpus's own file says."""

from types import ModuleType

from precompute import corpora
from precompute.corpora import Corpus

HEAD = """\
# Corpora

`python -m precompute --markdown > docs/corpora.md` makes this page from the files of `precompute/corpora/`: change it there.
Counts are the published ones. If yours differ, `python -m precompute build NAME` warns and says how.

A corpus is a folder with its name in the directory of corpora. If there is none, that directory and the folders below it are
searched for recordings with the corpus's names. So unpacked archives may stay as they are, such as Kaggle's sets of one and of
four corpora. If there are several copies, the first is used, and a warning names the others. `--corpora ravdess=DIR`, or the
same in `$WSER_CORPORA`, names the directory of one corpus; several have commas between them, as in `ravdess=/a,emodb=/b,/rest`.
"""


def markdown() -> str:
    """The page: a table of all corpora, then a section for each."""
    modules = [corpora.load(name) for name in corpora.names()]
    rows = ["| name | utterances | speakers | emotions | licence |", "| --- | ---: | ---: | ---: | --- |"]
    rows += [_row(module.CORPUS) for module in modules]
    return "\n".join([HEAD, *rows, *map(_section, modules)])


def _row(corpus: Corpus) -> str:
    counts = f"{corpus.files} | {corpus.speakers} | {len(corpus.emotions)}"
    return f"| [{corpus.name}](#{corpus.name}) | {counts} | {corpus.licence} |"


def _section(module: ModuleType) -> str:
    corpus: Corpus = module.CORPUS
    emotions = ", ".join(f"{emotion} {count}" for emotion, count in sorted(corpus.emotions.items()))
    facts = [
        f"**{corpus.title}**",
        f"- utterances: {corpus.files} of {corpus.speakers} speakers ({_sexes(corpus)})",
        f"- emotions: {emotions}",
        f"- licence: {corpus.licence}",
        f"- paper: <https://doi.org/{corpus.doi}>",
        f"- get it from: {corpus.source}" + (f", or by `python -m precompute fetch {corpus.name}`" if corpus.downloads else ""),
        f"- place it as: `{corpus.usual_place}`, under the directory that `--corpora` or `$WSER_CORPORA` names",
    ]
    facts += [f"- known of `{key}`: {fault}" for key, fault in sorted(corpus.faults.items())]
    if corpus.same_speakers_as:
        facts.insert(
            2, f"- the same people, under the same names, as those of [{corpus.same_speakers_as}](#{corpus.same_speakers_as})"
        )
    paragraphs = (module.__doc__ or "").strip().split("\n\n")[1:]
    return "\n".join(["", f"## {corpus.name}", "", facts[0], "", *facts[1:], "", "\n\n".join(map(_one_line, paragraphs)), ""])


def _sexes(corpus: Corpus) -> str:
    if corpus.women is None:
        return "sexes unknown"
    men = corpus.speakers - corpus.women
    counts = [(corpus.women, "woman", "women"), (men, "man", "men")]
    return ", ".join(f"{count} {singular if count == 1 else plural}" for count, singular, plural in counts if count)


def _one_line(paragraph: str) -> str:
    return " ".join(paragraph.split())
