"""Standardisation by speaker, and enrolment: what test speakers give away of themselves, and nothing more."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from forging import change_json, rewrite_predictions

from precompute.__main__ import main as precompute
from wser import compare, models, report, results, run
from wser.config import compose
from wser.config.schema import hashed
from wser.data import enrolment
from wser.execution import plan
from wser.reports import bundle
from wser.reports.html import index
from wser.training import fitted, statistics
from wser.training.batches import Batches
from wser.training.run import Run
from wser.training.standardise import Standardise

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

FEATURE = """
from dataclasses import dataclass

import numpy as np

from precompute.common.arrays import Array
from precompute.features import _base


@dataclass(frozen=True)
class Feature(_base.Feature):
    def array(self, audio):
        return Array("float32", (24,), ("value",), 0.0)

    def compute(self, frame):
        power = np.abs(np.fft.rfft(frame.samples, 8192)) ** 2
        bands = np.log(np.add.reduceat(power, np.arange(24) * 100) + 1e-6)
        bands[3] = 7.5  # constant
        return _base.Computed(bands.astype(np.float32))
"""


@pytest.fixture(scope="module")
def vectors(small_ravdess, tmp_path_factory):
    """Settings of a run of `svm` on a cache of vectors, four speakers held out one by one."""
    home = tmp_path_factory.mktemp("vectors")
    (home / "bands.py").write_text(FEATURE)
    where = ["--corpora", str(small_ravdess), "--cache", str(home / "cache"), "--jobs", "1"]
    assert precompute(["build", "ravdess", "--recipe", str(home / "bands.py"), *where]) == 0
    return ["model=svm", f"recipe={home / 'bands.py'}", f"cache_root={home / 'cache'}", "protocol=loso", "jobs=1", "logger=[]"]


def prepared(settings, *more):
    (config,) = compose.load([*settings, *more])
    return plan.prepare(config)


def one_run(experiment, fold=0, **changes):
    return Run(experiment.config, experiment.dataset, experiment.folds[fold], experiment.directory, experiment.directory, 1,
               experiment.identity, **changes)  # fmt: skip


def with_labels(experiment, indices, seed):
    """The same where the classes of some utterances are permuted."""
    examples = list(experiment.dataset.examples)
    shuffled = np.random.default_rng(seed).permutation([examples[i].label for i in indices]).tolist()
    assert shuffled != [examples[i].label for i in indices]
    for i, label in zip(indices, shuffled, strict=True):
        examples[i] = replace(examples[i], label=label)
    return replace(experiment, dataset=replace(experiment.dataset, examples=tuple(examples)))


def with_values(experiment, indices):
    """The same where some utterances sound otherwise."""
    dataset = experiment.dataset
    values = np.array(dataset.values)
    values[list(indices)] = values[list(indices)] * 3 + 11
    changed = replace(dataset)
    changed.__dict__["values"] = values
    return replace(experiment, dataset=changed)


@pytest.fixture
def given(monkeypatch):
    """What models are fitted to, and score, in order."""
    told = []
    build = models.build_fitted

    def spied(*arguments):
        model = build(*arguments)
        for name in ("fit", "predict_proba"):
            monkeypatch.setattr(model, name, _telling(getattr(model, name), told))
        return model

    monkeypatch.setattr(models, "build_fitted", spied)
    return told


def _telling(method, told):
    def called(utterances, *more):
        told.append(np.stack(utterances))
        return method(utterances, *more)

    return called


@pytest.mark.parametrize("more", [[], ["data.enrol=2"]])
def test_labels_of_test_speakers_change_no_prediction(vectors, more):
    experiment = prepared(vectors, "data.standardise=speaker", *more)
    test = experiment.folds[0].test
    before = fitted.fit(one_run(experiment)).probabilities
    assert len(before) == len(test) - (2 if more else 0)
    for seed in range(1, 4):
        after = fitted.fit(one_run(with_labels(experiment, test, seed))).probabilities
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("how", ["training", "none"])
def test_without_it_no_test_recording_reaches_the_model(vectors, how, given):
    experiment = prepared(vectors, f"data.standardise={how}")
    fold = experiment.folds[0]
    before = statistics.measure(experiment.dataset, fold.train)
    fitted.fit(one_run(experiment))
    changed = with_values(experiment, fold.test)
    outcome = fitted.fit(one_run(changed))
    after = statistics.measure(changed.dataset, fold.train)
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.deviation, after.deviation)
    np.testing.assert_array_equal(given[0], given[2])
    assert not np.array_equal(given[1], given[3])
    assert outcome.record["chosen"]["c"] > 0


def test_a_test_speaker_changes_nothing_of_training_with_it_either(vectors, given):
    experiment = prepared(vectors, "data.standardise=speaker")
    fitted.fit(one_run(experiment))
    fitted.fit(one_run(with_values(experiment, experiment.folds[0].test)))
    np.testing.assert_array_equal(given[0], given[2])
    # Another gain and offset of all recordings of a speaker are what it takes away.
    np.testing.assert_allclose(given[1], given[3], atol=1e-3)


def test_each_speaker_has_mean_zero_and_deviation_one(vectors, given):
    experiment = prepared(vectors, "data.standardise=speaker")
    fitted.fit(one_run(experiment))
    train, test = given
    names = [experiment.dataset.examples[i].speaker for i in experiment.folds[0].train]
    for values in [test, *(train[[name == one for name in names]] for one in {*names})]:
        np.testing.assert_allclose(values.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(np.delete(values, 3, axis=1).std(0), 1, atol=1e-3)
        assert not values[:, 3].any()


def test_enrolled_recordings_give_the_mean_and_training_speakers_the_deviation(vectors, given):
    experiment = prepared(vectors, "data.standardise=speaker", "data.enrol=2")
    one = one_run(experiment)
    assert len(one.enrolled) == 2
    assert sorted([*one.scored, *one.enrolled]) == list(experiment.folds[0].test)
    fitted.fit(one)
    raw = np.array(experiment.dataset.values, np.float64)
    examples, train = experiment.dataset.examples, experiment.folds[0].train
    centred = np.concatenate(
        [raw[own] - raw[own].mean(0) for own in ([i for i in train if examples[i].speaker == name]
                                                  for name in {examples[i].speaker for i in train})]
    )  # fmt: skip
    deviation = np.sqrt(np.mean(centred**2, axis=0))
    deviation[3] = 1
    expected = (raw[list(one.scored)] - raw[sorted(one.enrolled)].mean(0)) / deviation
    np.testing.assert_allclose(given[1], expected, atol=1e-3)
    np.testing.assert_allclose(np.delete(given[0], 3, axis=1).std(0), 1, atol=1e-3)


def test_recordings_are_drawn_by_seed_and_speaker_alone(vectors):
    examples = prepared(vectors).dataset.examples
    everything = range(len(examples))
    drawn = enrolment.drawn(examples, everything, 2, 0)
    assert Counter(examples[i].speaker for i in drawn) == dict.fromkeys({one.speaker for one in examples}, 2)
    assert drawn == enrolment.drawn(examples, list(everything)[::-1], 2, 0)
    own = [i for i in everything if examples[i].speaker == examples[0].speaker]
    assert enrolment.drawn(examples, own, 2, 0) == drawn & {*own}
    assert any(enrolment.drawn(examples, everything, 2, seed) != drawn for seed in range(1, 5))
    assert enrolment.drawn(examples, own, 2, 0) < enrolment.drawn(examples, own, 4, 0)


def test_what_cannot_be_enrolled_is_refused_before_anything_runs(vectors, tmp_path, capsys, messages):
    asked = [*vectors, "data.standardise=speaker", "data.enrol=6"]
    assert run.main(asked) == 2
    messages.check(capsys.readouterr().err)
    assert run.main([*asked[:-1], "data.enrol=1", "protocol=speaker_dependent"]) == 2
    messages.check(capsys.readouterr().err)
    assert run.main([*vectors, "data.enrol=2"]) == 2
    messages.check(capsys.readouterr().err)
    assert run.main([*vectors, "data.standardise=utterance", f"results={tmp_path}"]) == 2
    messages.check(capsys.readouterr().err)


def test_names_of_results_hold_what_is_read_and_no_more(vectors):
    (row,) = compose.load(["model=row_svm"])
    assert "data" not in hashed(row)
    (network,) = compose.load([])
    assert "enrol" not in hashed(network)["data"]
    names = {
        prepared(vectors, *more).directory.name
        for more in ([], ["data.standardise=none"], ["data.standardise=speaker"], ["data.standardise=speaker", "data.enrol=1"],
                     ["data.standardise=speaker", "data.enrol=2"])
    }  # fmt: skip
    assert len(names) == 5


def test_a_stored_configuration_from_before_keeps_its_meaning(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {name: row_svm}\ndata: {standardise: utterance, mixup: 0.3}\n")
    old = compose.load_stored(tmp_path / "config.yaml", [], ())
    assert "data" not in hashed(old)
    (tmp_path / "config.yaml").write_text("model: {name: row_svm}\ndata: {standardise: utterance, enrol: 0}\n")
    assert hashed(compose.load_stored(tmp_path / "config.yaml", [], ()))["data"] == {"standardise": "utterance"}


@pytest.fixture(scope="module")
def tracks(vectors, no_figures, tmp_path_factory):
    """Directories of an inductive run, of a calibrated one, and of one with enrolment."""
    root = tmp_path_factory.mktemp("tracks")
    found = []
    for more in ([], ["data.standardise=speaker"], ["data.standardise=speaker", "data.enrol=2"]):
        experiment = prepared([*vectors, f"results={root}"], *more)
        with no_figures():
            assert run.main([*vectors, f"results={root}", *more]) == 0
        found.append(experiment.directory)
    return found


def test_the_track_is_named_wherever_figures_are(tracks):
    inductive, calibrated, enrolled = (results.open_finished(path) for path in tracks)
    assert "calibrated" not in inductive.title
    assert "ravdess, speaker-calibrated, " in calibrated.title
    assert "speaker-calibrated by 2 recordings each" in enrolled.title
    assert len({results.task(one.record) for one in (inductive, calibrated, enrolled)}) == 3
    for path, one in zip(tracks, (inductive, calibrated, enrolled), strict=True):
        page = (path / results.PAGE).read_text("utf-8")
        assert ("speaker-calibrated" in page.partition("</h1>")[0]) == ("track" in one.record)
        assert ("must not be ranked with inductive ones" in page) == ("track" in one.record)
    assert [len(one.rows) for one in (inductive, calibrated, enrolled)] == [24, 24, 16]
    assert all(len(fold["enrolled"]) == 2 for fold in enrolled.metrics.values())
    every = index.write_page(tracks[0].parent, tracks[0].parent)[0].read_text("utf-8")
    best = every.partition('id="table-best"')[2].partition("</table>")[0]
    assert best.count("ravdess, speaker-calibrated") == 2


def test_tracks_are_compared_and_not_ranked(tracks, capsys, messages):
    assert compare.main([str(path) for path in tracks[:2]]) == 0
    told = capsys.readouterr()
    messages.check(told.err)
    assert "B (speaker-calibrated)" in told.out
    assert "is better than" not in told.out
    assert "and of another track, so neither is better" in told.out or "agree to a tenth" in told.out
    assert compare.main([str(path) for path in tracks[1:]]) == 1
    messages.check(capsys.readouterr().err)


def test_predictions_cannot_be_left_out_as_enrolled(tracks, tmp_path, messages):
    copy = tmp_path / tracks[0].name
    shutil.copytree(tracks[0], copy)
    left_out = results.read_predictions(copy, 0)[0]["key"]
    rewrite_predictions(copy / "fold_0", lambda rows: rows.pop(1))
    with messages.raises(results.ResultError):
        results.open_finished(copy)
    change_json(copy / "fold_0" / results.METRICS, enrolled=[left_out])
    with messages.raises(results.ResultError):
        results.open_finished(copy)


def test_a_run_with_enrolment_is_repeated_and_verified(tracks, tmp_path, capsys):
    assert run.main(["--repeat", str(tracks[2])]) == 0
    assert report.main([str(tracks[2]), "--bundle", str(tmp_path / "x.zip")]) == 0
    capsys.readouterr()
    assert report.main(["--verify", str(tmp_path / "x.zip")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "4 folds test 16 utterances, each once. 8 more are enrolled, and not scored." in told
    assert "Speaker-calibrated by 2 recordings each" in told


def test_a_bundle_that_hides_its_track_is_found_out(tracks, tmp_path):
    copy = tmp_path / tracks[1].name
    shutil.copytree(tracks[1], copy)
    record = json.loads((copy / results.RUN).read_text())
    del record["track"]
    (copy / results.RUN).write_text(json.dumps(record))
    assert "run.json has another 'track' than identity.json" in list(bundle._identity_differences(copy, record))


def test_networks_see_what_others_are_given(tiny):
    """By speaker, each row and colour has mean 0 over all recordings of a speaker."""
    experiment = prepared(tiny, "data.standardise=speaker")
    one = one_run(experiment)
    dataset, fold = experiment.dataset, experiment.folds[0]
    of_each = statistics.of_speakers(one, dataset, [*fold.train, *fold.validation, *fold.test])
    standardise = Standardise(dataset.item, statistics.stacked(of_each), dataset.table, own=False, by_speaker=True)
    batches = Batches(dataset, fold, experiment.config.data, 4, 0, list(of_each))
    sums, steps = torch.zeros(3, 16), 0
    speaker = dataset.examples[fold.test[0]].speaker
    own = [i for i, example in enumerate(dataset.examples) if example.speaker == speaker]
    for at in range(0, len(own), 2):
        batch = batches._collate(own[at : at + 2])
        seen = standardise(batch.values, batch.lengths, batch.spoken, batch.speakers)
        sums, steps = sums + seen.sum((0, 3)), steps + int(batch.lengths.sum())
    assert (sums / steps).abs().max() < 1e-4


@pytest.mark.parametrize("more", [[], ["data.enrol=2"]])
def test_networks_learn_and_are_scored_so(tiny, more, tmp_path, capsys):
    asked = [*tiny, f"results={tmp_path}", "data.standardise=speaker", "fold=0", *more]
    assert run.main(asked) == 0
    assert "speaker-calibrated" in capsys.readouterr().out
    (path,) = tmp_path.iterdir()
    stored = results.open_begun(path)
    assert len(stored.rows) == (8 if more else 12)


@pytest.mark.parametrize("more", [[], ["data.enrol=2"]])
def test_other_pictures_are_standardised_by_their_own_speakers(tiny, small_recipe_id, more, tmp_path):
    """The same pictures as other ones give the same predictions, from the weights of the run on its own."""
    asked = [*tiny, f"results={tmp_path}", "data.standardise=speaker", "fold=0", *more]
    assert run.main([*asked, f"data.test_recipe={small_recipe_id}"]) == 0
    clean, tested = sorted(results.below(tmp_path), key=lambda path: results.read_record(path)["test_recipe_id"] or "")
    assert results.read_predictions(clean, 0) == results.read_predictions(tested, 0)
    assert all("track" in results.read_record(path) for path in (clean, tested))


def test_a_model_at_once_scores_other_recordings_by_their_own_speakers(vectors, tmp_path):
    (recipe,) = (word.removeprefix("recipe=") for word in vectors if word.startswith("recipe="))
    asked = [*vectors, f"results={tmp_path}", "data.standardise=speaker", "fold=0", f"data.test_recipe={recipe}"]
    assert run.main(asked) == 0
    clean, tested = sorted(results.below(tmp_path), key=lambda path: results.read_record(path)["test_recipe_id"] or "")
    assert results.read_predictions(clean, 0) == results.read_predictions(tested, 0)
