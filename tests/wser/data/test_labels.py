import subprocess
import sys

import pytest

from precompute import corpora
from wser.data import labels
from wser.data.labels import LabelError


@pytest.fixture(params=labels.names())
def label_map(request):
    return labels.load(request.param)


def test_the_folder_holds_maps():
    assert {"common4", "emodb7", "iemocap4", "iemocap5", "msp_improv4", "ravdess7", "ravdess8"} <= set(labels.names())


def test_classes_and_dropped_emotions_are_disjoint(label_map):
    mentioned = [emotion for members in label_map.classes.values() for emotion in members] + list(label_map.drop)
    assert len(mentioned) == len(set(mentioned))


def test_there_are_classes_to_tell_apart_and_none_is_empty(label_map):
    assert len(label_map.classes) >= 2
    assert all(label_map.classes.values())


def test_emotions_are_of_the_common_vocabulary(label_map):
    mentioned = {emotion for members in label_map.classes.values() for emotion in members} | set(label_map.drop)
    assert mentioned <= set(corpora.EMOTIONS)


def test_every_class_has_its_own_index_in_the_order_of_the_file(label_map):
    for place, members in enumerate(label_map.classes.values()):
        assert label_map.index(members) == [place] * len(members)
    assert label_map.index(label_map.drop) == [None] * len(label_map.drop)


def test_defaults_cover_every_emotion_of_their_corpora(label_map):
    for corpus in label_map.default_for:
        found = label_map.index(list(corpora.load(corpus).CORPUS.emotions))
        assert {place for place in found if place is not None} == set(range(len(label_map.classes)))


def test_a_corpus_has_at_most_one_default():
    named = [corpus for name in labels.names() for corpus in labels.load(name).default_for]
    assert len(named) == len(set(named))
    assert set(named) <= set(corpora.names())


def test_ravdess_has_seven_classes_by_default_with_neutral_and_calm_as_one():
    chosen = labels.default(["ravdess"], list(corpora.load("ravdess").CORPUS.emotions))
    assert len(chosen.classes) == 7
    neutral, calm = chosen.index(["neutral", "calm"])
    assert neutral == calm


def published(name, corpus):
    """Number of published utterances in each class of a map."""
    label_map, emotions = labels.load(name), corpora.load(corpus).CORPUS.emotions
    return {label: sum(emotions[emotion] for emotion in members) for label, members in label_map.classes.items()}


def test_classes_of_iemocap_have_the_usual_sizes():
    assert published("iemocap4", "iemocap") == {"neutral": 1708, "happy": 1636, "sad": 1084, "angry": 1103}
    assert sum(published("iemocap4", "iemocap").values()) == 5531
    assert published("iemocap5", "iemocap") == {"neutral": 1708, "happy": 595, "sad": 1084, "angry": 1103, "excited": 1041}


def test_classes_of_msp_improv_have_the_usual_sizes():
    assert published("msp_improv4", "msp_improv") == {"neutral": 3477, "happy": 2644, "sad": 885, "angry": 792}


def test_every_corpus_has_a_default():
    assert {corpus for name in labels.names() for corpus in labels.load(name).default_for} == set(corpora.names())


def test_common4_serves_every_corpus():
    common = labels.load("common4")
    assert set(corpora.EMOTIONS) == {*common.drop, *(one for members in common.classes.values() for one in members)}
    for name in corpora.names():
        found = common.index(list(corpora.load(name).CORPUS.emotions))
        assert {place for place in found if place is not None} == {0, 1, 2, 3}, name


def test_emotion_that_the_map_does_not_mention_is_refused(label_map, messages):
    with messages.raises(LabelError):
        label_map.index(["zealous", "amused", next(iter(label_map.classes.values()))[0]])


def test_corpus_without_a_default_has_its_emotions_as_classes():
    chosen = labels.default(["mine"], ["sad", "angry", "sad"])
    assert list(chosen.classes) == ["angry", "sad"]
    assert chosen.index(["sad", "angry"]) == [1, 0]


def test_joined_corpora_need_a_map(messages):
    with messages.raises(LabelError):
        labels.default(["ravdess", "emodb"], ["sad"])


def test_joined_corpora_need_a_map_that_covers_both(messages):
    emotions = [emotion for name in ("iemocap", "ravdess") for emotion in corpora.load(name).CORPUS.emotions]
    with messages.raises(LabelError):
        labels.load("iemocap4").index(emotions)
    assert set(labels.load("common4").index(emotions)) == {None, 0, 1, 2, 3}


def test_unknown_map_names_the_nearest(messages):
    with messages.raises(LabelError):
        labels.load("comon4")
    with messages.raises(LabelError):
        labels.load("nowhere.yaml")


def test_map_of_ones_own_is_read_by_its_path(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("classes:\n  up: [happy, angry]\n  down: [sad]\ndrop: [calm]\n")
    mine = labels.load(str(file))
    assert (mine.name, mine.index(["happy", "angry", "sad", "calm"])) == ("mine", [0, 0, 1, None])


@pytest.mark.parametrize(
    "content",
    [
        "- a\n",
        "drop: [sad]\n",
        "classes: [sad]\n",
        "",
        "classes: {a: [sad\n",
        "classes: {a: [sad], b: [sad]}\n",
        "classes: {a: [sad], b: [happy]}\ndrop: [sad]\n",
    ],
)
def test_map_that_is_none_is_refused(tmp_path, content):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(LabelError) as refused:
        labels.load(str(file)).index(["sad"])
    assert "\n" not in str(refused.value)


def test_reading_labels_does_not_import_a_corpus():
    code = "import sys, wser.execution.plan as p; sys.exit(any(m.startswith('precompute.corpora') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
