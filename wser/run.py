"""The command `python -m wser.run`: train and cross-validate from the cache."""

import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from precompute.common import files, paths, tables, terminal
from precompute.common.errors import UsageError, counted
from precompute.common.progress import Advance, progress
from precompute.common.provenance import version_of

if TYPE_CHECKING:
    from pathlib import Path

    from precompute.common.arrays import Array
    from precompute.common.executor_settings import ExecutorConfig
    from wser.config.schema import Config
    from wser.evaluation.sweeps import Sweep
    from wser.execution.plan import Experiment
    from wser.protocols import Fold
    from wser.reports.html.opened import SummarisedRun
    from wser.results import StoredRun

MOST_VALUES = 8
"""Values of an axis that are named before a sweep begins; its table has all."""

MOST_NAMED = 20
"""Runs of a sweep that are named below a table that has no room for them."""

DIVERGED = ", stopped because the loss diverged: give a lower train.lr"

EPILOG = """\
examples:
  python -m wser.run fold=all
      RAVDESS, held-out speakers (experiments/default.yaml)
  python -m wser.run corpus=emodb protocol=loso fold=all
  python -m wser.run corpus=emodb seed=0,1,2 fold=all
      a sweep: a result for each seed, and one for all
  python -m wser.run corpus=emodb seed=0,1 fuse=true fold=all
      also their mean probabilities, as by wser.fuse
  python -m wser.run experiment=demo fold=0,2
  python -m wser.run corpus=emodb protocol=file protocol.file=split.json
      the split of another run, from its directory
  python -m wser.run corpus=[ravdess,emodb] labels=common4 fold=all
  python -m wser.run model.pipes=1,3 --describe
      layers, shapes, parameters and multiply-adds
  python -m wser.run --repeat RUN
      train it again: are all predictions the same?

keys, and their values in a run that sets none of them:
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 done, 1 refused, or a repeated run whose predictions differ, 2 wrong usage, 130 interrupted.
    """
    kept = "finished folds are kept, and the same command continues with the others"
    return terminal.command("wser.run", _main, kept, arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.run",
        description="Train and cross-validate on a cache of wavelet-scaled spectrograms.",
        add_help=False,
    )
    parser.add_argument(
        "-h", "--help", nargs="*", metavar="KEY", help="show this help, or that of a key, as in --help train.lr"
    )
    parser.add_argument("--version", action="version", version=f"wser {version_of('wser')}", help="print the version, and stop")
    parser.add_argument(
        "--keys", action="store_true", help="print every key with its meaning (docs/configuration.md), and stop"
    )
    parser.add_argument(
        "setting", nargs="*", metavar="key=value",
        help="a setting; several values, as in seed=0,1, make a sweep; fold=0,2 chooses folds",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would run and, from a few timed batches, how long it takes; then stop"
    )
    parser.add_argument("--describe", action="store_true", help="print the network's layers, shapes and costs, and stop")
    parser.add_argument(
        "--repeat",
        metavar="RUN",
        help="train a stored run again, into its folder repeat, and say whether its predictions are the same; "
        "exits 1 where they are not",
    )
    options = parser.parse_intermixed_args(arguments)
    if options.help is not None or options.keys:
        from wser.config import reference

        parser.epilog = EPILOG + _keys()
        descriptions = [reference.shown(key, tables.width()) for key in options.help or ()]
        print("".join(descriptions) or (reference.markdown() if options.keys else parser.format_help()), end="")
        return 0
    if options.repeat is not None and options.describe:
        raise UsageError("--repeat and --describe are two commands: give one of them")
    if options.repeat is not None:
        return _repeat(options.repeat, options.setting, options.dry_run)
    return _describe(options.setting) if options.describe else _run(options.setting, options.dry_run)


def _keys() -> str:
    from dataclasses import asdict

    from omegaconf import OmegaConf

    from wser.config.compose import load

    defaults = load([], environment={})[0]
    return "".join(f"  {line}\n" for line in OmegaConf.to_yaml(OmegaConf.create(asdict(defaults))).splitlines())


def _describe(settings: Sequence[str]) -> int:
    """Print each network that the settings name, once."""
    from wser.config import compose
    from wser.execution import describe, plan

    described: list[tuple[Config, tuple[Array, int]]] = []
    for config in compose.load(settings):
        sizes = describe.sizes(config)
        if not any((config.model, sizes) == (other.model, known) for other, known in described):
            described.append((config, sizes))
    changes = plan.differing([config for config, _ in described])
    for at, (config, (item, classes)) in enumerate(described):
        point = "".join(f", {key}={values[at]}" for key, values in changes.items())
        heading = f"{config.model.name}, preset {config.preset}, recipe {config.recipe}, {classes} classes{point}"
        tables.show(describe.table(heading, describe.layers(config, item, classes), item))
    return 0


def _repeat(path: str, settings: Sequence[str], dry_run: bool) -> int:
    from wser.execution.repeat import repeat

    command = shlex.join(["python", "-m", "wser.run", "--repeat", path, *settings])
    conclusion = repeat(paths.path(path), settings, command, dry_run)
    if not conclusion:
        return 0
    from wser.reports.tables import repeat_table

    print()
    tables.show(repeat_table(str(conclusion.run), conclusion.folds))
    print(conclusion.verdict)
    for key, (then, now) in conclusion.changes.items():
        tables.paragraph([f"{then} then,", f"{now} now"], f"  {key}: ")
    if not conclusion.matches and not conclusion.changes:
        tables.paragraph("what is recorded of software and machine is the same: the difference is not explained by it", "  ")
    report = shlex.join(["python", "-m", "wser.report", str(conclusion.run)])
    print(f"results: {conclusion.again}")
    tables.paragraph(["the run itself is left as it was;", report, "shows the verdict on its page"])
    return 0 if conclusion.matches else 1


def _run(settings: Sequence[str], dry_run: bool) -> int:
    from wser.config import compose
    from wser.execution import fusing, plan

    configs = compose.load(settings)
    fuses = compose.fuses(settings)
    experiments = plan.prepare_all(configs)
    groups = fusing.groups(experiments) if fuses else None
    axes = _swept(settings, experiments)
    _announce(experiments[0], axes)
    if axes:
        swept = ", ".join(f"{key}={_several(values)}" for key, values in axes.items())
        tables.paragraph(f"{len(experiments)} points: {swept}", "  ")
    _announce_leakage(experiments)
    _announce_older(experiments)
    to_do = [(experiment, fold) for experiment in experiments for fold in experiment.pending()]
    _announce_faults(to_do)
    left = [sum(owner is experiment for owner, _ in to_do) for experiment in experiments]
    pending = len(to_do)
    asked = sum(len(experiment.wanted) for experiment in experiments)
    epochs = max((config.train.epochs for config in configs if config.model.is_network), default=0)
    print(
        f"{counted(asked, 'fold')}: {asked - pending} finished, {pending} to do"
        + (f", up to {epochs} epochs each" if pending and epochs else "")
    )
    sys.stdout.flush()
    if dry_run:
        if configs[0].executor.is_cluster:
            _announce_jobs(configs[0].executor)
        else:
            _announce_time(to_do, configs[0].jobs)
        if groups is not None:
            _announce_fusions(experiments, groups, axes)
        return 0
    command = shlex.join(["python", "-m", "wser.run", *settings])
    say = _Points(experiments, left, axes).say if axes else _finished
    plan.execute(experiments, configs[0].jobs, command, say, list(axes))
    unfused = "" if groups is None else _unfused(experiments, groups)
    if axes:
        with progress("pages", len(experiments), "pages") as advance:
            reports = [_report(experiment, advance) for experiment in experiments]
        to_fuse = [] if unfused or not groups else groups
        fusions = _fuse(to_fuse, command)
        fused = None if groups is None else [fusion.stored.path for fusion, _ in fusions]
        _report_sweep(experiments, [run for run, _ in reports], fused, axes, command)
        _show_fusions(fusions)
        failed = any(why for _, why in reports) or len(fusions) < len(to_fuse)
    else:
        run, why = _report(experiments[0])
        _show(experiments[0], run, why)
        failed = bool(why)
    if unfused:
        print(f"\n{unfused}")
    return terminal.FAILED if failed else terminal.DONE


def _announce_jobs(where: "ExecutorConfig") -> None:
    if where.name == "slurm":
        from precompute.common import cluster

        print(cluster.described(where))


def _announce_time(to_do: "Sequence[tuple[Experiment, Fold]]", jobs: int) -> None:
    from wser.execution import estimate
    from wser.execution.progress import duration

    if seconds := estimate.seconds(to_do, jobs):
        print(f"about {duration(seconds)} on this machine as it is now, if no run stops early: a few batches were timed")


def _announce_fusions(
    experiments: "Sequence[Experiment]", groups: "Sequence[Sequence[Experiment]]", axes: Mapping[str, list[Any]]
) -> None:
    """Say which runs will be fused, by what differs between them."""
    from wser.config.schema import as_text

    if why := _unfused(experiments, groups):
        print(why)
        return
    print("fused once all runs are finished:")
    at = {experiment.directory: number for number, experiment in enumerate(experiments)}
    for group in groups:
        numbers = [at[first.directory] for first in group]
        within = {key: values for key, values in axes.items() if any(values[n] != values[numbers[0]] for n in numbers)}
        points = (", ".join(f"{key}={as_text(values[number])}" for key, values in within.items()) for number in numbers)
        first = group[0]
        common = f"{_names(first)}, {len(first.dataset.classes)} classes, {first.config.protocol.name}"
        tables.paragraph(f"{common}: {'; '.join(points)}", "  ")


def _unfused(experiments: "Sequence[Experiment]", groups: "Sequence[Sequence[Experiment]]") -> str:
    """Why nothing of a sweep is fused once the folds asked for are finished; empty where something is."""
    from wser import results

    partial = [
        experiment
        for experiment in experiments
        if {*range(len(experiment.folds))} - {*experiment.wanted, *results.finished(experiment.directory)}
    ]
    if partial:
        points = f"{len(partial)} of {counted(len(experiments), 'point')}"
        return f"nothing is fused, since folds of {points} are neither asked for nor finished: give fold=all"
    if len(experiments) == 1:
        return "nothing is fused, since the settings leave one point of the sweep: leave out what narrows it"
    if not groups:
        return "nothing is fused, since no two points share corpora, label map, protocol, split, selection and track"
    return ""


def _fuse(groups: "Sequence[Sequence[Experiment]]", command: str) -> "list[tuple[SummarisedRun, list[StoredRun]]]":
    """Fuse the runs of each group; the fusions, each with its runs; groups that cannot be fused are left out."""
    from wser import results
    from wser.reports import fusion

    fusions = []
    for group in groups:
        try:
            runs = [results.open_finished(experiment.directory) for experiment in group]
            fusions.append((fusion.write(runs, command), runs))
        except results.ResultError as error:
            # Others have nothing to do with the loss of one that became infinite.
            print(f"warning: {error}", file=sys.stderr)
    return fusions


def _show_fusions(fusions: "Sequence[tuple[SummarisedRun, list[StoredRun]]]") -> None:
    from wser.reports import fusion

    for measured, runs in fusions:
        print()
        fusion.show(measured, runs)


def _announce_faults(to_do: "Sequence[tuple[Experiment, Fold]]") -> None:
    """Say why folds that are there are trained again."""
    from wser import results

    for experiment, fold in to_do:
        path = experiment.directory
        if files.exists(path / results.fold_name(fold.number), path.parent) and (
            why := results.fault(path, fold.number, experiment.identity)
        ):
            print(f"warning: {why}: the fold is trained again", file=sys.stderr)


def _several(values: Sequence[Any]) -> str:
    """The values of an axis, as the command line takes them; of many the first ones."""
    from wser.config.schema import as_text

    texts = list(dict.fromkeys(map(as_text, values)))
    more = len(texts) - MOST_VALUES
    return ",".join(texts[:MOST_VALUES]) + (f" and {more} more" if more > 0 else "")


def _announce_older(experiments: "Sequence[Experiment]") -> None:
    """Name results of the same settings that an older version left, and say why they are not continued."""
    from wser import results

    for older in dict.fromkeys(filter(None, (experiment.older for experiment in experiments))):
        if done := results.finished(older):
            print(
                f"note: {older} holds {len(done)} finished folds of these settings by an older version, which did not record "
                "all that can change a prediction: they stay as they are, can be read, compared and reported, and are not "
                "continued here",
                file=sys.stderr,
            )


def _swept(settings: Sequence[str], experiments: "Sequence[Experiment]") -> dict[str, list[Any]]:
    """Keys swept whose values differ, each with its value in every experiment."""
    from wser.config import compose
    from wser.execution import plan

    differing = plan.differing([experiment.config for experiment in experiments])
    # Asked for alone, other pictures to test on come with the run that is tested on its own.
    return {key: differing[key] for key in [*compose.swept(settings), "data.test_recipe"] if key in differing}


def _announce(experiment: "Experiment", axes: Collection[str]) -> None:
    """Say what an experiment is, except for the keys that are swept."""
    config, dataset = experiment.config, experiment.dataset
    train, count = config.train, len(experiment.folds)
    facts = {"recipe": config.recipe, "preset": config.preset, "seed": config.seed}
    same = "".join(f", {key} {value}" for key, value in facts.items() if key not in axes)
    tables.paragraph(f"{_title(experiment, axes)}: {len(dataset.examples)} utterances{same}")
    trained = {"optimiser": train.optimiser, "lr": f"lr {train.lr:g}", "batch": f"batch {train.batch}"}
    settings = ", ".join(text for key, text in trained.items() if f"train.{key}" not in axes)
    how = f"{settings}; " if config.model.is_network and settings else ""
    print(f"  {how}{config.protocol.name}: {counted(count, 'fold')}")
    for fold in experiment.folds:
        trained_labels = {dataset.examples[i].label for i in fold.train}
        if missing := sorted(
            {dataset.classes[dataset.examples[i].label] for i in fold.test if dataset.examples[i].label not in trained_labels}
        ):
            print(f"warning: fold {fold.number} tests {', '.join(missing)}, which its training set lacks", file=sys.stderr)
    if dataset.dropped:
        left_out = ", ".join(f"{emotion} {count}" for emotion, count in sorted(dataset.dropped.items()))
        print(f"  left out by label map {dataset.label_map.name}: {left_out}")


def _announce_leakage(experiments: "Sequence[Experiment]") -> None:
    """What training and test share: once where it is the same for all points of a sweep."""
    from wser.protocols import _leakage

    reports: dict[tuple[str, ...], Experiment] = {}
    for experiment in experiments:
        reports.setdefault(tuple(_leakage.lines(experiment.leakage, experiment.speaker_independent)), experiment)
    for lines, experiment in reports.items():
        if len(reports) > 1:
            print(f"  {_title(experiment)}:")
        for line in lines:
            print(f"  {line}")


def _title(experiment: "Experiment", axes: Collection[str] = ()) -> str:
    """What an experiment is; without its model where several are compared."""
    from wser.config.schema import flatten

    config = experiment.config
    target = flatten(asdict(config)).get("protocol.test")
    protocol = f"{config.protocol.name} tested on {target}" if target else config.protocol.name
    pictures = f", tested on pictures of {config.data.test_recipe}" if config.data.test_recipe else ""
    model = "" if "model.name" in axes else f", {config.model.name}"
    return f"{_names(experiment)}, {len(experiment.dataset.classes)} classes, {protocol}{model}{pictures}"


def _names(experiment: "Experiment") -> str:
    """The corpora, with the caveats of their results."""
    from wser.results import corpus_names, track

    caches = experiment.dataset.caches
    config = experiment.config
    return corpus_names([(cache.corpus, cache.synthetic) for cache in caches], config.selection, track(config))


def _finished(experiment: "Experiment", fold: int) -> str:
    from wser import results
    from wser.execution.progress import duration

    record = results.read_metrics(experiment.directory, fold)
    return (
        f"{experiment.directory.name}, {_names(experiment)}, fold {fold}: "
        f"{_percents(record)}, "
        + (f"epoch {record['epoch']} of {record['epochs']}, " if record["epochs"] else "")
        + duration(record["seconds"])
        + (DIVERGED if record["diverged"] else "")
    )


def _percents(metrics: Mapping[str, float]) -> str:
    return f"UAR {100 * metrics['uar']:.1f} %, accuracy {100 * metrics['accuracy']:.1f} %"


class _Points:
    """Says of a sweep one line for each point, once all of its folds are finished.

    Args:
        experiments: Its points.
        left: Number of folds that each has to do.
        axes: Keys swept, each with its value in every point.
    """

    def __init__(self, experiments: "Sequence[Experiment]", left: Sequence[int], axes: dict[str, list[Any]]) -> None:
        self.left = {experiment.directory: count for experiment, count in zip(experiments, left, strict=True)}
        self.values = {
            experiment.directory: {key: values[at] for key, values in axes.items()} for at, experiment in enumerate(experiments)
        }

    def say(self, experiment: "Experiment", _: int) -> str | None:
        """The line, where the fold that is finished is the last one of its point."""
        path = experiment.directory
        self.left[path] -= 1
        if self.left[path]:
            return None
        from wser import results
        from wser.config.schema import as_text
        from wser.execution.progress import duration
        from wser.reports.summary import pooled

        records = [results.read_metrics(path, fold) for fold in results.finished(path)]
        figures = pooled(records)
        done = sum(not count for count in self.left.values())
        point = ", ".join(f"{key}={as_text(value)}" for key, value in self.values[path].items())
        diverged = any(record["diverged"] for record in records)
        return (
            f"{done} of {len(self.left)}: {point}: {_percents(figures)}, {counted(len(records), 'fold')}, "
            + duration(sum(record["seconds"] for record in records))
            + (DIVERGED if diverged else "")
        )


def _report(experiment: "Experiment", advance: Advance = lambda _: None) -> "tuple[SummarisedRun, str]":
    """Write summary and page of an experiment; what was measured, and why they could not be written, if so.

    Another job may finish a fold of the same run meanwhile, and write its own summary earlier than this one: what is there is
    read again until nothing has changed.
    """
    from wser import results
    from wser.evaluation import published
    from wser.reports import stale
    from wser.reports.html import opened
    from wser.reports.html import run as pages

    path = experiment.directory
    page, failed = path / results.PAGE, ""
    while True:
        # What is stale is rewritten here, so that the page need not mention it.
        measured = replace(opened.summarised(path), notes=())
        if why := stale.difference(path, measured.summary, resumed=True):
            print(f"warning: {why}: it is rewritten", file=sys.stderr)
        summary = results.as_json(measured.summary)
        try:
            if not (page.is_file() and results.holds(path / results.SUMMARY, summary)):
                pages.write_page(measured, path, published.load())
                # Last, so that a summary that is there has its page.
                files.replace(path / results.SUMMARY, summary, path.parent)
        except OSError as error:
            failed = f"{error.filename or path}: {error.strerror}"
        if failed or results.finished(path) == measured.stored.folds:
            break
    if failed:
        remedy = f"make room, and python -m wser.report {path} writes the page, with --out DIR elsewhere"
        print(f"warning: {failed}, so the page and {results.SUMMARY} are missing or not complete; {remedy}", file=sys.stderr)
    advance(1)
    return measured, failed


def _show(experiment: "Experiment", measured: "SummarisedRun", failed: str) -> None:
    """Print the table of a run, and where its files are."""
    from wser import results
    from wser.reports.tables import fold_table

    print()
    tables.show(fold_table(_title(experiment), measured.summary, measured.caveats))
    path = experiment.directory
    print(f"results: {path}" + ("" if failed else f"\npage: {path / results.PAGE}"), flush=True)


def _report_sweep(
    experiments: "Sequence[Experiment]",
    runs: "Sequence[SummarisedRun]",
    fusions: "Sequence[Path] | None",
    axes: dict[str, list[Any]],
    command: str,
) -> None:
    """Write table and page of a sweep, and print the table; where none are given, its page keeps the fusions that it has."""
    from wser import results
    from wser.evaluation import published
    from wser.evaluation.sweeps import Point, Sweep
    from wser.reports.html import sweep as pages
    from wser.reports.tables import sweep_table

    points = [
        Point(
            {key: values[at] for key, values in axes.items()},
            str(run.stored.path),
            run.summary,
            results.task(run.stored.record),
            run.caveats,
        )
        for at, run in enumerate(runs)
    ]
    sweep = Sweep(list(axes), points)
    titles = list(dict.fromkeys(_title(experiment, axes) for experiment in experiments))
    path = results.sweep_directory([run.directory for run in experiments])
    names = list(dict.fromkeys(run.config.experiment for run in experiments))
    record = {"experiment": names, "command": command, "titles": titles, **sweep.record()}
    record["fusions"] = pages.earlier_fusions(path) if fusions is None else list(map(str, fusions))
    results.write_sweep(path, sweep.rows(), record)
    print()
    table = sweep_table("; ".join(titles), sweep)
    tables.show(table)
    if "run" in table.left_out(tables.width()):
        _name_runs(sweep)
    page = pages.write_page(path, runs, path, published.load())
    print(f"sweep: {path}\npage: {page}", flush=True)


def _name_runs(sweep: "Sweep") -> None:
    """Say where the points of a sweep are, as the next commands want to know."""
    labels = zip(*(sweep.labels(axis) for axis in sweep.axes), strict=True)
    for point, values in list(zip(sweep.points, labels, strict=True))[:MOST_NAMED]:
        print(f"  {point.directory}  {', '.join(values)}")
    if (more := len(sweep.points) - MOST_NAMED) > 0:
        print(f"  and {more} more, in the sweep's page")


if __name__ == "__main__":
    sys.exit(main())
