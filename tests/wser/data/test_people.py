"""Corpora that share people: one person is one speaker, and never on both sides of a speaker-independent split."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from precompute.__main__ import main as precompute
from precompute.cache import layout, roots
from precompute.cache.layout import Record
from wser import protocols, run
from wser.data.dataset import Dataset, open_dataset
from wser.data.people import People, SpeakerError, identify
from wser.protocols import ProtocolError, _leakage

pytestmark = pytest.mark.usefixtures("unmade")

RECORD = Record(
    key="k", speaker="01", emotion="sad", label="T", duration=1.5, channels=1, start=0, stop=4, path="k.wav", sha256="00",
    array="01/sad", row=0, image_sha256="11",
)  # fmt: skip


def cache(corpus: str, *speakers: str | tuple[str, str], says: str = "", sex: str | None = None):
    """What of a cache says who speaks: speakers, or each with the corpus that its line of a table names."""
    records = []
    for number, speaker in enumerate(speakers):
        name, column = (speaker, "") if isinstance(speaker, str) else speaker
        more = {layout.SAME_SPEAKERS_AS: column} if column else {}
        records.append(replace(RECORD, key=f"k{number}", speaker=name, more=more, sex=sex))
    return SimpleNamespace(corpus=corpus, same_speakers_as=says, records=tuple(records))


def names(*caches) -> list[list[str]]:
    return [list(of_cache) for of_cache in identify(caches).names]


# Who is who.


def test_corpora_that_say_nothing_have_speakers_of_their_own():
    assert names(cache("a", "01", "02"), cache("b", "01")) == [["a/01", "a/02"], ["b/01"]]


def test_single_corpus_keeps_plain_names_whatever_it_says():
    assert names(cache("a", "01", "02")) == names(cache("a", "01", "02", says="b")) == [["01", "02"]]
    assert names(cache("a", ("01", "b"), ("02", "b"))) == [["01", "02"]]


def test_corpus_that_says_so_shares_its_speakers():
    assert names(cache("song", "01", says="a"), cache("a", "01"), cache("b", "01")) == [["a/01"], ["a/01"], ["b/01"]]
    assert names(cache("song", "01", says="a"), cache("b", "01")) == [["a/01"], ["b/01"]], "also where that is not joined"


def test_lines_of_one_table_are_of_different_people_where_they_say_so():
    assert names(cache("a", "01", ("01", "b"), ("01", "c"), "02")) == [["a/01", "b/01", "c/01", "a/02"]]


def test_lines_of_one_table_are_of_one_person_where_all_lead_there():
    # The second of each pair leads to the first.
    assert names(cache("a", ("01", "ravdess"), ("01", "ravdess_song"))) == [["01", "01"]]
    assert names(cache("a", ("01", "a"), "01")) == [["01", "01"]]


def test_line_counts_for_more_than_its_corpus():
    assert names(cache("a", "01", ("02", "c"), ("03", "a"), says="b"), cache("b", "01")) == [["b/01", "c/02", "a/03"], ["b/01"]]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_chain_leads_to_its_end(order):
    chain = [cache("a", "01", says="b"), cache("b", ("01", "c")), cache("c", "01")]
    assert names(*(chain[i] for i in order)) == [["c/01"]] * 3


def test_chain_leads_on_where_the_speaker_is_in_no_line():
    assert names(cache("a", "07", says="b"), cache("b", ("01", "c")), cache("c", "07")) == [["c/07"], ["c/01"], ["c/07"]]
    assert names(cache("mine", ("01", "ravdess_song")), cache("ravdess", "01")) == [["ravdess/01"], ["ravdess/01"]]


@given(st.permutations(["a", "b", "c"]), st.permutations([0, 1, 2, 3]))
def test_circle_has_the_first_of_its_names_in_any_order(said, order):
    circle = [cache(name, "01", says=said[(said.index(name) + 1) % 3]) for name in said]
    caches = [*circle, cache("d", "01", says=said[0])]
    assert names(*(caches[i] for i in order)) == [["a/01"]] * 4


def test_name_that_means_two_people_is_refused(messages):
    with messages.raises(SpeakerError):
        identify([cache("a", "01", says="b"), cache("b", "01", ("01", "c"))])


@pytest.mark.parametrize(("one", "other"), [("01", "1"), ("Anna", "anna"), ("\u00fc", "u\u0308"), ("actor 01", "Actor 1")])
def test_names_that_may_be_one_are_refused_where_people_are_shared(one, other, messages):
    with messages.raises(SpeakerError):
        identify([cache("a", one), cache("b", other, says="a")])
    assert names(cache("a", one), cache("b", other)) == [[f"a/{one}"], [f"b/{other}"]]


def test_sex_is_known_where_one_corpus_knows_it():
    caches = [cache("a", "01", "02"), cache("b", "01", says="a", sex="female")]
    assert identify(caches) == People((("a/01", "a/02"), ("a/01",)), {"a/01": "female", "a/02": None})
    assert identify(caches[::-1]) == People((("a/01",), ("a/01", "a/02")), {"a/01": "female", "a/02": None})


def test_sexes_that_contradict_are_refused_with_both_places(messages):
    caches = [cache("a", "01", sex="male"), cache("b", "01", says="a", sex="female")]
    with messages.raises(SpeakerError):
        identify(caches)


@pytest.mark.parametrize("name", ["a/b", "..", "-\n", " "])
def test_name_that_no_corpus_can_have_is_refused(name, messages):
    with messages.raises(SpeakerError):
        identify([cache("a", ("01", name))])


# Speech and song of the same actors, by the command lines.


@pytest.fixture(scope="module")
def sung(small_cache: Path, small_ravdess: Path, small_settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the small cache and one of songs: those of its actors but the last."""
    home = tmp_path_factory.mktemp("sung")
    shutil.copytree(small_cache, home / "cache")
    (home / "corpora" / "ravdess_song").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for file in sorted((small_ravdess / "ravdess").rglob("*.wav")):
        if not file.stem.endswith("04"):
            samples, rate = soundfile.read(file)
            song = np.concatenate([samples, 0.05 * rng.standard_normal(2000)])
            soundfile.write(home / "corpora" / "ravdess_song" / f"03-02{file.name[5:]}", song, rate, subtype="PCM_16")
    where = ["--corpora", str(home / "corpora"), "--cache", str(home / "cache")]
    assert precompute(["--corpus", "ravdess_song", *where, "--jobs", "1", "--set", *small_settings]) == 0
    return home / "cache"


@pytest.fixture
def older(sung: Path, tmp_path: Path) -> Path:
    """The same root, its songs sealed by a layout that could not say whose they are."""
    root = shutil.copytree(sung, tmp_path / "older")
    (path,) = roots.sealed(root, "ravdess_song", "*")
    manifest = json.loads((path / layout.MANIFEST).read_text())
    assert manifest.pop(layout.SAME_SPEAKERS_AS) == "ravdess"
    del manifest[layout.CONTENT]
    manifest["layout"] = "1.3"
    (path / layout.MANIFEST).unlink()
    (path / layout.MANIFEST).write_text(json.dumps(manifest))
    return root


@pytest.fixture(params=["sung", "older"])
def joined(request: pytest.FixtureRequest, small_recipe_id: str) -> Dataset:
    """Speech and song."""
    root = request.getfixturevalue(request.param)
    return open_dataset([root], ["ravdess", "ravdess_song"], small_recipe_id, label_map="common4")


def folds_of(dataset: Dataset, **settings) -> list[protocols.Fold]:
    return protocols.load(protocols.config(**settings)).folds(dataset.examples, "last")


def test_actor_who_sings_is_the_one_who_speaks(joined):
    assert {e.speaker for e in joined.examples} == {f"ravdess/0{actor}" for actor in (1, 2, 3, 4)}
    assert {e.corpus for e in joined.examples} == {"ravdess", "ravdess_song"}
    assert all(e.key.startswith(f"{e.corpus}/") for e in joined.examples)
    assert {e.speaker: e.sex for e in joined.examples} == {
        f"ravdess/0{actor}": "male" if actor % 2 else "female" for actor in (1, 2, 3, 4)
    }


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"name": "loso"}, 4),
        ({"name": "speaker_folds", "folds": 2}, 2),
        ({"name": "speaker_independent", "folds": 2}, 2),
    ],
)
def test_held_out_actors_are_held_out_in_speech_and_song(settings, count, joined):
    folds = folds_of(joined, **settings)
    assert len(folds) == count
    for fold in folds:
        held, known = ({joined.examples[i].key[-2:] for i in part} for part in (fold.test, fold.train))
        assert not held & known
        assert len(held) == 4 / count
        assert _leakage.of_folds([fold], joined.examples, [])[0].speakers.count == 0


def test_random_splits_say_that_actors_are_known(joined):
    (report,) = [
        _leakage.of_folds([fold], joined.examples, [])[0] for fold in folds_of(joined, name="speaker_dependent", folds=1)
    ]
    assert report.speakers.count
    assert set(report.speakers.examples) <= {f"ravdess/0{actor}" for actor in (1, 2, 3, 4)}


@pytest.mark.parametrize("test", ["ravdess", "ravdess_song"])
def test_corpus_of_the_same_people_is_no_other_corpus(test, joined, messages):
    with messages.raises(ProtocolError):
        folds_of(joined, name="cross_corpus", test=test)


def test_split_from_a_file_is_held_to_its_promise(joined, tmp_path, messages):
    speech, song = ([e.key for e in joined.examples if e.corpus == corpus] for corpus in ("ravdess", "ravdess_song"))
    (tmp_path / "split.json").write_text(json.dumps([{"train": speech, "test": song}]))
    with messages.raises(ProtocolError):
        folds_of(joined, name="file", file=str(tmp_path / "split.json"))
    assert folds_of(joined, name="file", file=str(tmp_path / "split.json"), speakers="shared")


@pytest.mark.slow
def test_run_and_its_page_have_one_row_for_each_actor(sung, tiny, tmp_path, capsys):
    where = [f"cache_root={sung}", f"results={tmp_path}"]
    settings = ["corpus=[ravdess,ravdess_song]", "labels=common4", "train.epochs=1", "selection=last", "protocol=loso"]
    assert run.main([*tiny, *where, *settings]) == 0
    assert "speakers                  none (as the protocol promises)" in capsys.readouterr().out
    (file,) = tmp_path.glob("*/report/speakers.csv")
    rows = list(csv.DictReader(file.open()))
    assert [(row["speaker"], row["sex"], row["fold"], row["utterances"]) for row in rows] == [
        ("ravdess/01", "male", "0", "12"),
        ("ravdess/02", "female", "1", "12"),
        ("ravdess/03", "male", "2", "12"),
        ("ravdess/04", "female", "3", "6"),
    ]


# Tables.


@pytest.fixture
def own(small_ravdess: Path, small_settings: list[str], joined_cache: Path, tmp_path: Path):
    """A function that makes the cache of a table, beside RAVDESS and EmoDB, of lines of `speaker,sex,same_speakers_as`.

    Each gets two recordings, of which no other corpus has any.
    """
    root = shutil.copytree(joined_cache, tmp_path / "cache")
    rng = np.random.default_rng(2)

    def own(name: str, *lines: str) -> Path:
        rows = ["path,emotion,speaker,sex,same_speakers_as"]
        for number, line in enumerate(lines):
            for emotion in ("sad", "happy"):
                file = tmp_path / f"{name}-{number}-{emotion}.wav"
                soundfile.write(file, 0.1 * rng.standard_normal(9000), 16000, subtype="PCM_16")
                rows.append(f"{file.name},{emotion},{line}")
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
        table = ["--corpus", "table", "--table", str(tmp_path / f"{name}.csv"), "--name", name]
        assert precompute([*table, "--cache", str(root), "--jobs", "1", "--set", *small_settings]) == 0
        return root

    return own


@pytest.fixture
def dry_run(tiny, tmp_path, capsys):
    def dry_run(*settings: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run.main([*tiny, f"cache_root={tmp_path / 'cache'}", "labels=common4", *settings, "--dry-run"])
        printed = capsys.readouterr()
        assert code == 0 or printed.err.count("\n") == 1, "one sentence"
        return code, printed.err + printed.out

    return dry_run


@pytest.mark.slow
def test_table_of_people_of_another_corpus(own, dry_run):
    own("mine", "01,m,ravdess", "02,,ravdess", "01,,", "eve,f,")
    code, said = dry_run("corpus=[ravdess,mine]", "protocol=loso")
    assert code == 0
    assert "loso: 6 folds" in said, "four actors, and two people of the table's own"
    assert dry_run("corpus=mine", "protocol=loso", "selection=last")[1].count("loso: 4 folds") == 1
    code, said = dry_run("corpus=[ravdess,mine]", "protocol=cross_corpus", "protocol.test=mine")
    assert code == 1
    assert "2 of 4 speakers of protocol.test=mine are also speakers of ravdess, on which it would train" in said
    assert dry_run("corpus=[emodb,mine]", "protocol=cross_corpus", "protocol.test=mine")[0] == 0


@pytest.mark.slow
def test_tables_that_lead_to_each_other(own, dry_run, tmp_path):
    own("a", "03,m,b", "08,f,b")
    own("b", "03,m,emodb", "08,f,emodb", "new,f,b")
    code, said = dry_run("corpus=[emodb,a,b]", "protocol=loso")
    assert code == 0
    assert "loso: 5 folds" in said
    own("circle", "03,m,round")
    own("round", "03,m,circle", "x,f,")
    assert "loso: 2 folds" in dry_run("corpus=[circle,round]", "protocol=loso", "selection=last")[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("01,f,ravdess", r"speaker ravdess/01 is female in mine-0-\w+.wav of mine and male in .* of ravdess: correct the sex"),
        ("1,m,ravdess", "have 01 and 1, which differ by zeros"),
    ],
)
@pytest.mark.parametrize("protocol", ["loso", "speaker_independent"])
def test_what_does_not_fit_together_is_refused(line, says, protocol, own, dry_run):
    own("mine", line, "x,f,")
    code, said = dry_run("corpus=[ravdess,mine]", f"protocol={protocol}")
    assert code == 1
    assert re.search(says, said), said


@pytest.mark.slow
def test_sex_that_another_corpus_knows_counts(own, dry_run):
    own("mine", "01,,ravdess", "02,,ravdess")
    assert dry_run("corpus=mine", "protocol=speaker_independent")[0] == 1
    assert dry_run("corpus=[ravdess,mine]", "protocol=speaker_independent", "selection=last")[0] == 0
