"""Copies of one cache by two processors: the one that is there is kept, and said so; what is further apart is refused."""

import dataclasses

import numpy as np
import pytest
from toy import edit

from precompute.__main__ import main
from precompute.cache import layout, places
from precompute.cache.draft import Draft
from precompute.cache.layout import Record, Skipped
from precompute.cache.reader import Cache
from precompute.cache.transfer import archive
from precompute.cache.transfer.archive import export_zip, import_zip
from precompute.cache.transfer.copy import copy
from precompute.cache.verify import differing_items, problems
from precompute.common.errors import CacheError
from precompute.common.files import sha256
from precompute.recipe import named

pytestmark = pytest.mark.slow

GREY = named("grey", ["scales=8", "columns=16", "duration=1.0"])
"""Each of its levels has a colour of its own."""

WAVELETS = named("wavelets", ["scales=8", "columns=16", "duration=1.0", "f_min=400"])
PAIRS = (("anna", "sad"), ("anna", "angry"), ("bob", "sad"))


def levels(pair, recipe):
    """Levels of a unit's pictures, from 2 to 253; of three channels where the recipe has them."""
    rng = np.random.default_rng(sum(map(ord, "".join(pair))))
    return rng.integers(2, 254, (3, 8, 16, 3 if recipe.feature.rgb == "wavelets" else 1))


def make(root, recipe=GREY, apart=(), change=None):
    """A sealed cache; `apart` names pictures and how many levels one of their pixels is moved."""
    made = Draft(root, "toy", recipe.record(), recipe.id, "0123456789ab", False)
    with made.open():
        units = []
        for pair in PAIRS:
            level = levels(pair, recipe)
            for other, row, by in apart:
                if other == pair:
                    level[row, 3, 5, 0] += by
            images = level.astype(np.uint8) if recipe.feature.rgb == "wavelets" else recipe.feature.table[level[..., 0]]
            records = [record(pair, row, image) for row, image in enumerate(images)]
            units.append(made.publish([change(r) for r in records] if change else records, (), images))
        # What was skipped is part of the input, and its hash is not recorded: any id is right.
        made.seal(units, [Skipped("x.wav", "silent")], {"by": "a test"})
    return made.path


def record(pair, row, image):
    speaker, emotion = pair
    return Record(
        key=f"{speaker}-{emotion}-{row}", path=f"{row}.wav", speaker=speaker, emotion=emotion, label=emotion, duration=0.5,
        channels=1, start=0, stop=8, sha256="00" * 32, array=layout.array_path(speaker, emotion), row=row,
        image_sha256=sha256(image.tobytes()),
    )  # fmt: skip


def content(path):
    return {file: (file.read_bytes(), file.stat().st_ino) for file in path.rglob("*") if file.is_file()}


ALIKE = {
    "one pixel up": ([(PAIRS[0], 0, 1)], 1),
    "one pixel down": ([(PAIRS[2], 2, -1)], 1),
    "several": ([(PAIRS[0], 0, 1), (PAIRS[0], 1, -1), (PAIRS[1], 2, 1)], 3),
    "two in two arrays": ([(PAIRS[1], 0, 1), (PAIRS[2], 0, 1)], 2),
}


@pytest.mark.parametrize("recipe", [GREY, WAVELETS], ids=["colours", "wavelets"])
@pytest.mark.parametrize("case", ALIKE)
@pytest.mark.parametrize("turned", [False, True], ids=["", "the other way"])
def test_import_and_copy_keep_what_is_there(case, recipe, turned, tmp_path):
    apart, differing = ALIKE[case]
    paths = [make(tmp_path / "here", recipe), make(tmp_path / "there", recipe, apart)]
    ours, theirs = reversed(paths) if turned else paths
    assert Cache(ours).fingerprint != Cache(theirs).fingerprint
    before = content(ours.parent)
    export_zip([theirs], tmp_path / "toy.zip")
    notes = []
    assert import_zip(tmp_path / "toy.zip", ours.parents[1], lambda *note: notes.append(note)) == [ours]
    assert not copy(Cache(theirs), ours.parents[1], lambda how: notes.append((ours, how)))
    assert content(ours.parent) == before
    assert [path for path, _ in notes] == [ours, ours]
    for source, (_, how) in zip((tmp_path / "toy.zip", theirs), notes, strict=True):
        assert how == (
            f"its pictures differ from those of {source} by at most one level in {differing} of 9, as on another processor"
        )
    assert problems(ours) == []


UNLIKE = {
    "two levels": {"apart": [(PAIRS[0], 0, 2)]},
    "two levels down among many of one": {"apart": [*((PAIRS[0], row, 1) for row in range(3)), (PAIRS[2], 0, -2)]},
    "another label": {"change": lambda r: dataclasses.replace(r, label="x")},
    "other columns": {"change": lambda r: dataclasses.replace(r, stop=9)},
    "another duration": {"change": lambda r: dataclasses.replace(r, duration=0.75)},
    "another recording": {"change": lambda r: dataclasses.replace(r, sha256="11" * 32), "apart": [(PAIRS[0], 0, 1)]},
}


@pytest.mark.parametrize("case", UNLIKE)
def test_what_is_no_copy_is_refused_as_before(case, tmp_path, messages):
    ours, theirs = make(tmp_path / "here"), make(tmp_path / "there", **UNLIKE[case])
    before = content(ours.parent)
    export_zip([theirs], tmp_path / "toy.zip")
    for action in (lambda: import_zip(tmp_path / "toy.zip", ours.parents[1]), lambda: copy(Cache(theirs), ours.parents[1])):
        with messages.raises(CacheError, ours):
            action()
    assert content(ours.parent) == before
    assert differing_items(Cache(ours), Cache(theirs)) is None


def test_where_the_recordings_lay_does_not_matter(tmp_path):
    ours = make(tmp_path / "here")
    theirs = make(tmp_path / "there", apart=[(PAIRS[0], 0, 1)], change=lambda r: dataclasses.replace(r, path=f"moved/{r.path}"))
    assert differing_items(Cache(ours), Cache(theirs)) == 1


def test_caches_of_two_layouts_are_one(tmp_path, monkeypatch):
    ours = make(tmp_path / "here")
    with monkeypatch.context() as patched:
        patched.setattr(layout, "VERSION_OF_PICTURES", (1, 3))
        theirs = make(tmp_path / "there")
    edit(theirs, lambda manifest: manifest.pop(layout.CONTENT))
    assert Cache(theirs).manifest["layout"] == "1.3"
    assert Cache(ours).fingerprint != Cache(theirs).fingerprint
    assert problems(theirs) == []
    export_zip([theirs], tmp_path / "toy.zip")
    notes = []
    assert import_zip(tmp_path / "toy.zip", ours.parents[1], lambda *note: notes.append(note)) == [ours]
    assert not copy(Cache(ours), theirs.parents[1], notes.append)
    assert notes == []


def test_the_command_says_so_in_one_line(tmp_path, capsys):
    ours, theirs = make(tmp_path / "here"), make(tmp_path / "there", apart=[(PAIRS[0], 0, 1)])
    export_zip([theirs], tmp_path / "toy.zip")
    for arguments in (
        ["import", "--cache", tmp_path / "here", tmp_path / "toy.zip"],
        ["copy", "--cache", tmp_path / "there", "toy/", tmp_path / "here"],
    ):
        assert main(["cache", *map(str, arguments)]) == 0
        out, errors = capsys.readouterr()
        assert (out.count("\n"), errors) == (1, "")
        assert out.startswith(f"there already  {ours}: its pictures differ from those of ")
        assert "by at most one level in 1 of 9, as on another processor" in out


def test_one_cache_of_several_in_a_zip_may_be_there(tmp_path, messages):
    ours = make(tmp_path / "here")
    both = [make(tmp_path / "there", apart=[(PAIRS[0], 0, 1)]), make(tmp_path / "there", WAVELETS)]
    export_zip(both, tmp_path / "toy.zip")
    before, notes = content(ours), []
    found = import_zip(tmp_path / "toy.zip", tmp_path / "here", lambda *note: notes.append(note))
    assert sorted(path.name for path in found) == sorted(path.name for path in both)
    assert content(ours) == before
    assert len(notes) == 1
    assert all(problems(path) == [] for path in found)
    # And none is taken in where one is refused.
    bad = make(tmp_path / "bad", apart=[(PAIRS[0], 0, 2)])
    export_zip([bad, both[1]], tmp_path / "bad.zip")
    make(tmp_path / "third")
    with messages.raises(CacheError):
        import_zip(tmp_path / "bad.zip", tmp_path / "third")
    assert len(list((tmp_path / "third" / "toy").glob(f"*/{layout.MANIFEST}"))) == 1


def test_a_job_that_puts_its_own_copy_there_meanwhile_is_first(tmp_path, monkeypatch):
    theirs = make(tmp_path / "there", apart=[(PAIRS[0], 0, 1)])
    export_zip([theirs], tmp_path / "toy.zip")
    verify = archive._verify
    monkeypatch.setattr(archive, "_verify", lambda *of: (verify(*of), make(tmp_path / "here")))
    notes = []
    (path,) = import_zip(tmp_path / "toy.zip", tmp_path / "here", lambda *note: notes.append(note))
    assert len(notes) == 1
    assert Cache(path).fingerprint == Cache(make(tmp_path / "again")).fingerprint


def test_to_and_from_an_object_store(tmp_path, bucket, messages):
    ours, theirs = make(tmp_path / "here"), make(tmp_path / "there", apart=[(PAIRS[0], 0, 1)])
    (remote,) = places.parse(f"{bucket}/lab")
    assert copy(Cache(ours), remote)
    there = remote / "toy" / ours.name
    before = places.read(there, places.sizes(there))
    notes = []
    assert not copy(Cache(theirs), remote, notes.append)
    assert places.read(there, places.sizes(there)) == before
    assert not copy(Cache(there), tmp_path / "there", notes.append)
    assert len(notes) == 2
    bad = make(tmp_path / "bad", apart=[(PAIRS[1], 0, 2)])
    with messages.raises(CacheError):
        copy(Cache(bad), remote)
    assert places.read(there, places.sizes(there)) == before
