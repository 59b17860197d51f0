"""Writers that come, publish, die at any file-system call and come again, held against a model in memory.

Whatever happened before: a unit that is visible is whole and holds what its first publisher made, a cache opens when it is
sealed and not before, what is sealed stays as it is, directories have the root's mode whatever the umask, and one more writer
completes the cache.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from toy import RECIPE, draft, replace, unit

from precompute.cache import layout, removal, roots, shard
from precompute.cache.reader import Cache, parse_unit
from precompute.cache.verify import problems
from precompute.common import arrays
from precompute.common.errors import CacheError, CacheMissingError

PAIRS = (("anna", "sad"), ("anna", "angry"), ("..", "sad"))
INPUT = layout.input_id((record, record.sha256) for pair in PAIRS for record in unit(*pair, 2)[0])
CALLS = ("mkdir", "chmod", "fchmod", "fsync", "link", "rename", "unlink", "rmdir")
MODE = 0o2775
MADE = {"by": "a test", "created": "2025-01-01T00:00:00+00:00"}

writers = st.sampled_from((0, 1))
pairs = st.sampled_from(PAIRS)
calls = st.integers(0, 30)


@pytest.fixture(autouse=True)
def as_it_was():
    """A machine that fails must not leave its umask and its patches to other tests."""
    umask = os.umask(0)
    os.umask(umask)
    yield
    mock.patch.stopall()
    os.umask(umask)


class Killed(BaseException):
    """None of our code may catch it, as none sees a SIGKILL."""


class Power:
    """Lets a number of file-system calls happen, and none after them; a file that was not synced by then is cut in half.

    Args:
        calls: How many.
    """

    def __init__(self, calls):
        self.left, self.lost, self.unsynced = calls, False, {}

    def limited(self, name, real):
        def call(*arguments, **options):
            if self.left == 0:
                self.lose()
                raise Killed
            self.left -= 1
            real(*arguments, **options)
            if name == "fchmod":
                # Our code calls it once for every file that it writes.
                self.unsynced[os.fstat(arguments[0]).st_ino] = os.dup(arguments[0])
            elif name == "fsync" and (handle := self.unsynced.pop(os.fstat(arguments[0]).st_ino, None)):
                os.close(handle)

        return call

    def lose(self):
        self.lost = True
        for handle in self.unsynced.values():
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            os.close(handle)
        self.unsynced = {}


@contextlib.contextmanager
def killed_after(calls):
    """Kill what runs inside after a number of file-system calls; nothing of it runs any more, `finally` neither."""
    power = Power(calls)
    with contextlib.ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(mock.patch.object(os, name, power.limited(name, getattr(os, name))))
        with contextlib.suppress(Killed):
            yield power


def pictures(path):
    """Pictures of a unit that is visible, by a reader of its own; None where there is none."""
    if not path.exists():
        return None
    assert {file.name for file in path.iterdir()} == {layout.GROUP, "c.0.0.0.0"}
    parsed = parse_unit((path / layout.GROUP).read_bytes())
    images = shard.decode((path / "c.0.0.0.0").read_bytes(), len(parsed.records), arrays.picture(8, 16))
    assert [hashlib.sha256(image.tobytes()).hexdigest() for image in images] == [r.image_sha256 for r in parsed.records]
    return images


def content(path):
    """What a sealed cache holds, but for the provenance, to which a second writer adds its own."""
    files = (file for file in path.rglob("*") if file.is_file() and file.parent.name != layout.PROVENANCE)
    return {file: (file.read_bytes(), file.stat().st_ino) for file in files}


class Machine(RuleBasedStateMachine):
    """Two writers at a time, each with pictures of its own, so that it shows whose are in place."""

    def __init__(self):
        super().__init__()
        self.umask = os.umask(0o077)
        # Nobody pulls the plug here, and waiting for the disk would take most of the time.
        self.no_sync = mock.patch.object(os, "fsync", return_value=None)
        self.no_sync.start()
        self.root = Path(tempfile.mkdtemp())
        self.root.chmod(MODE)
        self.path = draft(self.root, INPUT).path
        self.seed = 0
        self.alive, self.dead = {}, []
        self.model, self.damaged, self.sealed = {}, set(), None
        self.killed = False

    def teardown(self):
        try:
            self.one_more_writer_completes_the_cache()
        finally:
            self.no_sync.stop()
            os.umask(self.umask)
            shutil.rmtree(self.root)
            for _, opened in self.dead:
                opened.close()

    def one_more_writer_completes_the_cache(self):
        for writer in list(self.alive):
            self.leave(writer)
        self.come(0)
        for pair in PAIRS:
            self.publish(0, pair)
        self.seal(0)
        self.leave(0)
        assert self.sealed
        self.visible_units_are_whole()
        self.a_cache_opens_when_it_is_sealed()
        self.directories_have_the_mode_of_the_root()
        assert {job.name for job in self.staging()} <= {one.staging.name for one, _ in self.dead}
        assert (self.root / layout.ROOT_TAG).exists()

    def staging(self):
        return list((self.root / "toy" / layout.STAGING).glob("*"))

    def unit_path(self, pair):
        return self.path / layout.array_path(*pair)

    def make(self, pair):
        """A unit whose pictures nobody else makes."""
        self.seed += 1
        return unit(*pair, 2, self.seed)

    def removed(self):
        """What a writer must say whose cache was taken away."""
        expected = pytest.raises(CacheError, match="was removed while this job was writing there: run the same command again")
        return contextlib.nullcontext() if self.path.exists() else expected

    def complete(self):
        return len(self.model) == len(PAIRS) and not self.damaged

    @rule(writer=writers)
    def come(self, writer):
        if writer not in self.alive:
            one, opened = draft(self.root, INPUT), contextlib.ExitStack()
            opened.enter_context(one.open())
            self.alive[writer] = (one, opened)
            assert all(one.staging.exists() for one, _ in self.alive.values())

    @rule(writer=writers)
    def leave(self, writer):
        if writer in self.alive:
            one, opened = self.alive.pop(writer)
            opened.close()
            assert not one.staging.exists()

    @rule(writer=writers, pair=pairs)
    def publish(self, writer, pair):
        if writer in self.alive:
            made = self.make(pair)
            with self.removed():
                self.alive[writer][0].publish(*made)
            if self.path.exists() and (pair not in self.model or pair in self.damaged):
                self.model[pair] = made[2]
                self.damaged.discard(pair)

    @rule(writer=writers)
    def seal(self, writer):
        if writer in self.alive and self.complete():
            one = self.alive[writer][0]
            one.seal([one.published(*pair) for pair in PAIRS], [], MADE)
            self.sealed = self.sealed or content(self.path)

    @rule(writer=writers, calls=calls)
    def die_coming(self, writer, calls):
        if writer not in self.alive:
            one, opened = draft(self.root, INPUT), contextlib.ExitStack()
            with killed_after(calls) as power:
                opened.enter_context(one.open())
            self.dead.append((one, opened))
            self.killed = power.lost

    @rule(writer=writers, pair=pairs, calls=calls)
    def die_publishing(self, writer, pair, calls):
        if writer in self.alive:
            made, one = self.make(pair), self.alive[writer][0]
            with (
                contextlib.suppress(CacheError) if not self.path.exists() else contextlib.nullcontext(),
                killed_after(calls) as power,
            ):
                one.publish(*made)
            self.dead.append(self.alive.pop(writer))
            if pair in self.damaged and not self.unit_path(pair).exists():
                self.damaged.discard(pair)
                del self.model[pair]
            elif (pair not in self.model or pair in self.damaged) and one.published(*pair):
                self.damaged.discard(pair)
                self.model[pair] = made[2]
            self.killed = power.lost

    @rule(writer=writers, calls=calls)
    def die_sealing(self, writer, calls):
        if writer in self.alive and self.complete():
            one = self.alive[writer][0]
            units = [one.published(*pair) for pair in PAIRS]
            with killed_after(calls) as power:
                one.seal(units, [], MADE)
            self.dead.append(self.alive.pop(writer))
            if one.sealed:
                self.sealed = self.sealed or content(self.path)
            self.killed = power.lost

    @rule(pair=pairs)
    def damage(self, pair):
        """A bit flips in a unit that no manifest vouches for yet."""
        if pair in self.model and not self.sealed:
            file = self.unit_path(pair) / "c.0.0.0.0"
            changed = bytearray(file.read_bytes())
            changed[len(changed) // 2] ^= 1
            replace(file, bytes(changed))
            self.damaged ^= {pair}

    @rule()
    def collect(self):
        """Nobody waits for the grace time here: what is unfinished is taken away under its writers, and trash deleted."""
        for one in list(removal.garbage(self.root, grace_days=0)):
            removal.clear(one, self.root)
        if not self.sealed:
            self.model, self.damaged = {}, set()

    @rule()
    def a_day_passes(self):
        """Whoever comes next clears up what killed writers left, and nothing of those alive."""
        left = [one.staging for one, _ in self.dead if one.staging.exists()]
        for path in (path for directory in left for path in (directory, *directory.rglob("*"))):
            os.utime(path, (0, 0))
        for writer in {0, 1} - set(self.alive):
            self.come(writer)
            assert not any(directory.exists() for directory in left)

    @invariant()
    def visible_units_are_whole(self):
        there = {pair: pictures(self.unit_path(pair)) for pair in set(PAIRS) - self.damaged}
        assert {pair for pair, images in there.items() if images is not None} == set(self.model) - self.damaged
        for pair in set(self.model) - self.damaged:
            np.testing.assert_array_equal(there[pair], self.model[pair])
            assert draft(self.root, INPUT).published(*pair) is not None
        for pair in self.damaged:
            assert draft(self.root, INPUT).published(*pair) is None

    @invariant()
    def a_cache_opens_when_it_is_sealed(self):
        if self.sealed:
            assert problems(self.path) == []
            cache = Cache(self.path)
            for pair in PAIRS:
                np.testing.assert_array_equal(cache.read(layout.array_path(*pair)), self.model[pair])
            assert content(self.path) == self.sealed
        else:
            with pytest.raises(CacheMissingError):
                Cache(self.path)
        assert roots.sealed(self.root, "toy", RECIPE.id) == ([self.path] if self.sealed else [])

    @invariant()
    def directories_have_the_mode_of_the_root(self):
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in self.root.rglob("*") if path.is_dir()}
        assert {path: oct(mode) for path, mode in modes.items() if mode != MODE} == {}


TestMachine = pytest.mark.slow(Machine.TestCase)
TestMachine.settings = settings(max_examples=40, stateful_step_count=30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "damaged"),
    [("coming", False), ("publishing", False), ("publishing", True), ("sealing", False), ("sealing", True)],
)
def test_killed_at_any_call_a_writer_leaves_what_the_next_one_completes(action, damaged):
    calls, killed = 0, True
    while killed:
        machine = Machine()
        if action != "coming":
            machine.come(0)
        if action == "sealing":
            for pair in PAIRS:
                machine.publish(0, pair)
        die = {"coming": machine.die_coming, "publishing": partial(machine.die_publishing, pair=PAIRS[0])}
        die.get(action, machine.die_sealing)(writer=0, calls=calls)
        killed = machine.killed
        if damaged:
            machine.damage(PAIRS[0])
        machine.visible_units_are_whole()
        machine.a_cache_opens_when_it_is_sealed()
        machine.directories_have_the_mode_of_the_root()
        machine.teardown()
        calls += 1
    assert calls > 10
