"""A finished run as one zip file for a reviewer, who recomputes every metric from it without the corpus and the cache."""

import csv
import html
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from precompute.cache.layout import FileEntry
from precompute.common import files, zips
from precompute.common.errors import UnsafePathError, WserError, few
from precompute.common.reading import LARGEST_JSON, UnreadableError, read_json, typed
from precompute.common.terminal import in_a_line
from wser import protocols, results
from wser.evaluation.metrics import Metrics, measure
from wser.evaluation.published import LiteratureResult
from wser.protocols import ProtocolError, file
from wser.reports import stale
from wser.reports.html import opened
from wser.reports.html.opened import SummarisedRun
from wser.results import ResultError, identity

MANIFEST = "manifest.json"
"""Size and SHA-256 of every other file of a bundle."""

OF_RUN = (results.RUN, results.CONFIG, results.IDENTITY, results.SPLIT, results.LEAKAGE)
OF_FOLD = (results.METRICS, results.PREDICTIONS, results.CURVES)
"""Files that are taken as they are, where they are there: neither weights nor recordings."""

_TOP, _BELOW = ("|".join(map(re.escape, names)) for names in ((*OF_RUN, results.SUMMARY, results.PAGE, MANIFEST), OF_FOLD))
MEMBER = re.compile(
    rf"[^./\\:\x00-\x1f][^/\\:\x00-\x1f]{{0,60}}/"
    rf"(?:{_TOP}|fold_\d{{1,4}}/(?:{_BELOW})|{results.BESIDE_PAGE}/\w{{1,50}}\.(?:png|svg|csv|tex))"
)
"""Names of members: those of one run, below its name."""

ALL_ONCE = ("loso", "speaker_folds", "session_folds")
"""Protocols that test every utterance once."""

AT_MOST_ONCE = (*ALL_ONCE, "speaker_independent", "cross_corpus")
"""Protocols that test no utterance twice."""


@dataclass(frozen=True)
class Row:
    """Metrics of a fold, or of all of them.

    Attributes:
        name: Of the fold.
        recomputed: From its predictions; None where these cannot be read.
        stated: By the files; None where they do not.
    """

    name: str
    recomputed: Metrics | None
    stated: Mapping[str, Any] | None


@dataclass(frozen=True)
class Verdict:
    """What the verification of a bundle has shown.

    Attributes:
        title: What the run is, as far as its record can be read.
        rows: Metrics of each fold, and last of all of them.
        facts: Caveats of its results, and of its split.
        differences: A sentence for each.
    """

    title: str
    rows: list[Row]
    facts: list[str]
    differences: list[str]


class _Identity(TypedDict):
    classes: list[tuple[str, list[str]]]
    split: str
    recipe: str
    settings: dict[str, Any]


class _Summary(TypedDict):
    pooled: dict[str, Any]


class _Manifest(TypedDict):
    run: str
    files: dict[str, FileEntry]


def write(path: Path, target: Path, entries: Sequence[LiteratureResult]) -> None:
    """Write the bundle of a finished run; the same run gives the same bytes.

    Summary and page are made from its predictions again.  In the configuration and on the page, the user's home directory is
    `~`; the command in run.json stays as it was given.

    Args:
        path: Directory of the run.
        target: The zip file; it appears whole or not at all.
        entries: Published results for the page.

    Raises:
        WserError: The run is not finished or damaged, or `target` is there already or cannot be written.
    """
    run = opened.summarised(path)
    if not run.whole:
        missing = few(run.summary["missing"])
        raise ResultError(f"{path} is not finished, fold {missing} is missing: run {results.finishing(run.stored.record)}")
    name = path.resolve().name
    if not MEMBER.fullmatch(f"{name}/{MANIFEST}"):
        raise ResultError(f"{name} cannot be the name of a directory in {target}: copy the run to another one")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        contents = _contents(replace(run, stored=replace(run.stored, path=root / name), notes=()), path, root, entries)
    listed = {at: {"size": len(content), "sha256": files.sha256(content)} for at, content in sorted(contents.items())}
    contents[MANIFEST] = results.as_json({"run": name, "files": listed})
    with files.new_file(target) as aside, zipfile.ZipFile(aside, "x") as archive:
        for at, content in sorted(contents.items()):
            archive.writestr(zips.member(f"{name}/{at}"), content)


def _contents(run: SummarisedRun, path: Path, root: Path, entries: Sequence[LiteratureResult]) -> dict[str, bytes]:
    """Content of each file of a bundle; `run` is to lie in a directory of its own, where the page is made."""
    # Its figures need matplotlib, which a verification does without.
    from wser.reports.html import run as page

    inside = run.stored.path
    names = [*OF_RUN, *(f"{results.fold_name(fold)}/{at}" for fold in run.stored.folds for at in OF_FOLD)]
    contents = {at: files.read(path / at, path) for at in names if files.exists(path / at, path)}
    contents[results.SUMMARY] = results.as_json(run.summary)
    for at, content in contents.items():
        _place(inside / at, content, root)
    page.write_page(run, inside, entries)
    page_files = [results.PAGE, *(f"{results.BESIDE_PAGE}/{at}" for at in files.names(inside / results.BESIDE_PAGE, root))]
    contents |= {at: files.read(inside / at, root) for at in page_files}
    for at in (results.CONFIG, results.PAGE):
        contents[at] = _without_home(contents[at])
    return contents


def _place(target: Path, content: bytes, root: Path) -> None:
    files.make_directory(target.parent, root)
    files.write_new(target, content, root)


def _without_home(content: bytes) -> bytes:
    home = str(Path.home())
    if home == "/":
        return content
    for text in {home, html.escape(home)}:
        content = re.sub(re.escape(text.encode()) + rb"(?=[/\s'\"<;,:)]|\Z)", b"~", content)
    return content


def verify(bundle: Path) -> Verdict:
    """Recompute every metric of a bundle from its predictions, and compare its files with one another.

    Args:
        bundle: The zip file.

    Raises:
        ResultError: It is no bundle, or holds what none may: names that lead elsewhere, links, bombs, files twice.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = _unpack(bundle, root)
        verdict = _verify(path)
        # The bundle is what the reader knows, and not where it was unpacked for a moment.
        return replace(verdict, differences=[*dict.fromkeys(text.replace(f"{path}/", "") for text in verdict.differences)])


def _refusal(bundle: Path, member: str, what: str) -> ResultError:
    return ResultError(
        f"{bundle}: '{ascii(member)[1:-1][:200]}' {in_a_line(what)}: ask for another bundle, nothing was verified"
    )


def _unpack(bundle: Path, root: Path) -> Path:
    """Unpack the files of a bundle into an empty directory; gives that of the run."""
    refuse = partial(_refusal, bundle)
    with zips.opened(bundle, lambda what: ResultError(f"{bundle} {what}: ask for another bundle")) as archive:
        members = zips.members(archive, lambda name: bool(MEMBER.fullmatch(name)), "is not a file of a bundle of a run", refuse)
        if what := zips.overlap(archive):
            raise ResultError(f"{bundle} {what}: ask for another bundle")
        runs = {name.partition("/")[0] for name in members}
        if len(runs) != 1:
            raise ResultError(f"{bundle} holds {len(runs)} runs, and a bundle has one: ask for another bundle")
        for name, info in members.items():
            most = results.LARGEST_PREDICTIONS if name.endswith(results.PREDICTIONS) else LARGEST_JSON
            if info.file_size > most:
                raise refuse(name, f"has {info.file_size} bytes, of {most} at most")
        for name, info in members.items():
            _place(root / name, zips.content(archive, info, refuse), root)
    return root / runs.pop()


def _verify(path: Path) -> Verdict:
    differences = [*_manifest_differences(path)]
    try:
        record = results.read_record(path)
    except ResultError as error:
        return Verdict(path.name, [], [], [*differences, error.what])
    rows, faults = _rows(path, record)
    differences += [*faults, *_identity_differences(path, record)]
    title, facts = path.name, []
    try:
        run = opened.summarised(path)
        title, facts = run.stored.title, [*map(str, run.caveats)]
        differences += filter(None, [stale.difference(path, run.summary)])
        if run.whole:
            notes, wrong = _split(run)
            facts, differences = [*facts, *notes], [*differences, *wrong]
    except ResultError as error:
        differences.append(error.what)
    except ProtocolError as error:
        differences.append(str(error))
    return Verdict(title, rows, facts, differences)


def _manifest_differences(path: Path) -> Iterator[str]:
    """Files that are not those that the manifest names."""
    try:
        manifest = results.checked(read_json(path / MANIFEST, path), _Manifest, path / MANIFEST, "")
    except (OSError, UnreadableError) as error:
        yield f"{MANIFEST} cannot be read ({in_a_line(str(error))[:200]})"
        return
    except ResultError as error:
        yield error.what
        return
    if manifest["run"] != path.name:
        yield f"{MANIFEST} is of the run {manifest['run']:.100}, and the directory is {path.name}"
    present = {*files.sizes(path, path)} - {MANIFEST}
    for at in sorted({*present} - {*manifest["files"]}):
        yield f"{at} is not named in {MANIFEST}"
    for at, entry in manifest["files"].items():
        if at not in present:
            yield f"{in_a_line(at)[:200]} is named in {MANIFEST}, and is not there"
        elif files.sha256(files.read(path / at, path)) != entry["sha256"]:
            yield f"{at} is damaged (its SHA-256 is not the one in {MANIFEST})"


def _rows(path: Path, record: Mapping[str, Any]) -> tuple[list[Row], list[str]]:
    """Metrics of each fold and of all together, and what is wrong with predictions and metrics."""
    classes, rows, faults = record["classes"], [], []
    every: list[dict[str, str]] = []
    for fold in range(record["folds"]):
        stated = None
        try:
            stated = results.read_metrics(path, fold)
            predictions = results.checked_predictions(path, fold, classes, stated)
            if results.CURVES in stated.get("files", {}):
                results.read_curves(path, fold)
        except ResultError as error:
            faults.append(error.what)
            predictions = _predictions(path, fold)
            recomputed = _measured(predictions, classes)
        else:
            recomputed = _measured(predictions, classes)
            where = f"{results.fold_name(fold)}/{results.METRICS}"
            apart = stale.apart(stated, recomputed.as_dict() if recomputed else {})
            faults += [f"{where} says {at} = {theirs}, and the predictions give {ours}" for at, theirs, ours in apart][:1]
        every += predictions
        rows.append(Row(f"fold {fold}", recomputed, stated))
    try:
        pooled = typed(read_json(path / results.SUMMARY, path), _Summary)["pooled"]
    except (OSError, UnreadableError):
        pooled = None
        faults.append(f"{results.SUMMARY} states no pooled metrics")
    return [*rows, Row("pooled", _measured(every, classes), pooled)], faults


def _predictions(path: Path, fold: int) -> list[dict[str, str]]:
    try:
        return results.read_predictions(path, fold)
    except (OSError, ValueError, csv.Error, UnsafePathError):
        return []  # What is wrong with them has been said.


def _measured(rows: Sequence[Mapping[str, str]], classes: list[str]) -> Metrics | None:
    try:
        true, predicted = ([classes.index(row[side]) for row in rows] for side in ("true", "predicted"))
    except (KeyError, ValueError):
        return None
    return measure(true, predicted, classes) if true else None


def _identity_differences(path: Path, record: Mapping[str, Any]) -> Iterator[str]:
    """Where identity, record, name and configuration of a run do not belong together."""
    if "identity" not in record:
        return
    try:
        whole = read_json(path / results.IDENTITY, path)
        named = results.checked(whole, _Identity, path / results.IDENTITY, "")
        digests, config = [identity.digest(part) for part in (whole, record.get("recipe") or {})], results.read_config(path)
    except (OSError, ValueError) as error:
        yield f"{results.IDENTITY} cannot be read ({in_a_line(str(error))[:200]})"
        return
    except ResultError as error:
        yield error.what
        return
    if digests[0] != record["identity"]:
        yield f"{results.IDENTITY} is not the identity in {results.RUN}"
    elif not path.name.endswith(f"-{digests[0][: identity.DIGITS]}"):
        yield f"the name {path.name} does not end with the identity in {results.RUN}, {digests[0][: identity.DIGITS]}"
    same = {
        "classes": [name for name, _ in named["classes"]] == record["classes"],
        "split_hash": named["split"] == record["split_hash"],
        "recipe": named["recipe"] == digests[1],
        "track": (named["settings"].get("data.standardise") == "speaker") == ("track" in record),
        "enrol": named["settings"].get("data.enrol") == record.get("enrol"),
    }
    yield from (f"{results.RUN} has another '{key}' than {results.IDENTITY}" for key in same if not same[key])
    for key, value in named["settings"].items():
        # Names of plug-ins are paths in the one, and the precision is resolved in the other.
        if key in config and config[key] != value and key != "train.precision" and not key.endswith(".name"):
            yield f"{results.CONFIG} has {key} = {config[key]}, and {results.IDENTITY} {value}"


def _split(run: SummarisedRun) -> tuple[list[str], list[str]]:
    """What the split is like, and what is wrong with it; parts of a fold that overlap are refused, too."""
    path, record = run.stored.path, run.stored.record
    split = file.read(path / results.SPLIT)
    tested = Counter(key for fold in split.folds for key in fold["test"])
    untested = {key for fold in split.folds for part in fold.values() for key in part} - {*tested}
    twice = sorted(key for key, count in tested.items() if count > 1)
    enrolled = {key for metrics in run.stored.metrics.values() for key in metrics.get("enrolled", ())}
    scored = len({*tested} - enrolled)
    facts = [f"{len(split.folds)} folds test {scored} utterances" + (", each once" if not twice else "")]
    facts += [f"{len(enrolled)} more are enrolled, and not scored"] if enrolled else []
    wrong = []
    for keys, what, never in ((twice, "several folds", AT_MOST_ONCE), (sorted(untested), "no fold", ALL_ONCE)):
        if keys:
            sentence = f"{len(keys)} utterances are tested in {what} ({few(keys, 3)})"
            if record["protocol"] in never:
                wrong.append(f"{sentence}, which protocol={record['protocol']} excludes")
            else:
                facts.append(sentence)
    independent = _is_independent(record["protocol"])
    if independent and split.speakers != "disjoint":
        wrong.append(f"{results.SPLIT} lets folds share speakers, and protocol={record['protocol']} does not")
    if independent or split.speakers == "disjoint":
        shared = [*_shared_speakers(run, split.folds)]
        wrong += shared
        facts += [] if shared else ["no speaker is both in training and in test"]
    else:
        facts.append("speakers may be both in training and in test, as the protocol says")
    return [f"{fact[0].upper()}{fact[1:]}." for fact in facts], wrong


def _is_independent(protocol: str) -> bool:
    """Whether a protocol promises disjoint speakers whatever it is given; one that is not installed here says nothing."""
    try:
        return getattr(protocols.protocol(protocol), "speaker_independent", False)
    except WserError:
        return False


def _shared_speakers(run: SummarisedRun, folds: Sequence[Mapping[str, frozenset[str]]]) -> Iterator[str]:
    """Speakers who are in the test set and in another, by the predictions, the metrics or the report of leakage."""
    speaker = {row["key"]: row["speaker"] for row in run.stored.rows}
    for number, fold in enumerate(folds):
        named = run.stored.metrics[number].get("speakers", {})
        # Of every test speaker some are scored, also where others are enrolled.
        test = {speaker[key] for key in fold["test"] if key in speaker}
        for part in ("train", "validation"):
            speakers = {speaker[key] for key in fold[part] if key in speaker} | {*named.get(part, [])}
            if both := sorted(test & speakers):
                yield f"fold {number} has {few(both, 3)} both in {part} and in test"
        if run.reports[number].speakers.count:
            yield f"{results.LEAKAGE} counts {run.reports[number].speakers.count} shared speakers in fold {number}"
