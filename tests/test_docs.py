"""What the documentation shows works, and gives what it says."""

import contextlib
import doctest
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import precompute
import wser
from precompute.__main__ import main as precompute_main
from precompute.corpora import demo
from wser.data.dataset import open_dataset
from wser.run import main

DOCS = Path(__file__).parent.parent / "docs"
TINY = [
    "protocol.folds=2", "train.epochs=1", "train.device=cpu", "train.threads=1", "jobs=1", "logger=[]", "model.pipe_filters=2",
    "model.filters=[3,4]", "model.strides=[[2,2],[2,2],[2,2]]", "model.lstm=4", "model.fc=5",
]  # fmt: skip


ROOT = DOCS.parent
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("*/README.md")])


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            place = page.parent / path if path else page
            assert place.is_file(), target
            assert not anchor or anchor in anchors(place), target


def test_the_front_page_leads_to_every_page_of_the_docs():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 120
    assert {page.name for page in DOCS.iterdir() if page.suffix in (".md", ".ipynb")} <= set(re.findall(r"docs/([\w.]+)", text))


@pytest.fixture
def home(small_ravdess, tmp_path, unmade, monkeypatch):
    """A directory as the text supposes it: with RAVDESS (a small one), its cache, and a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSER_CACHE", raising=False)
    shutil.copytree(small_ravdess, "corpora")
    precompute.build("ravdess", jobs=1)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main([*TINY, "fold=all"]) == 0
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::precompute.library.CorpusWarning")
def test_the_examples_of_the_library_give_what_they_say(home):
    pytest.importorskip("pandas")
    # The fence that ends a block would be taken for output.
    text = re.sub("^```.*$", "", (DOCS / "api.md").read_text("utf-8"), flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(text, {}, "api.md", str(DOCS / "api.md"), 0)
    assert len(examples.examples) > 40
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(examples, out=said.write)
    assert not runner.failures, said.getvalue()


@pytest.mark.filterwarnings("ignore::precompute.library.CorpusWarning")
def test_the_example_of_windows_covers_each_recording_and_keeps_its_windows_together(tmp_path, monkeypatch):
    (script,) = re.findall("```python\n(# windows.py\n.*?)```", (DOCS / "guide.md").read_text("utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    lengths = {"recordings/anna/happy/long.wav": 20.4, "recordings/ben/sad/short.wav": 3.25}
    rng = np.random.default_rng(0)
    for path, seconds in lengths.items():
        (tmp_path / path).parent.mkdir(parents=True)
        soundfile.write(path, 0.1 * rng.standard_normal(int(16_000 * seconds)), 16_000)
    exec(script, {})
    assert precompute_main(["build", "table", "--table", "windows.csv", "--name", "mine", "--jobs", "1"]) == 0
    records = precompute.open_cache("mine").records
    parts = [sorted((record.begin, record.end) for record in records if record.path == path) for path in lengths]
    assert parts == [[(0, 8), (8, 16), (16, 20.4)], [(0, 3.25)]]
    examples = open_dataset([tmp_path / "cache"], ["mine"], "default").examples
    assert len({example.recording for example in examples}) == len(lengths)


def test_every_public_name_is_documented():
    text = (DOCS / "api.md").read_text("utf-8")
    headings = set(re.findall(r"^## (.+)$", text, flags=re.MULTILINE))
    assert headings == {f"{package.__name__}.{name}" for package in (precompute, wser) for name in package.__all__}
    anchors = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert anchors == {heading.replace(".", "").lower() for heading in headings}


@pytest.mark.slow
def test_the_first_steps_can_be_taken(tmp_path, encode, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name, place in {"IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime"}.items():
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))
    monkeypatch.delenv("WSER_CACHE", raising=False)
    # What is there is not made: short noises in the place of all sentences but the one that is shown.
    rng = np.random.default_rng(0)
    for key in sorted(key for key in demo.KEYS if not key.startswith("F1-1-")):
        file = tmp_path / "corpora" / "demo" / key.partition("-")[0] / f"{key}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(0.1 * rng.standard_normal(5000)))
    # Workers cost more here than they save.
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    notebook = nbformat.read(DOCS / "first_steps.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) == 10
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    (training,) = (cell for cell in cells if "train.epochs=" in cell.source)
    # How well it learns is not asked here.
    training.source = re.sub(r"train\.epochs=\d+", "train.epochs=1", training.source)
    # Whatever kernels are installed for this user, `python3` is the Python that runs the tests.
    pytest.importorskip("ipykernel.kernelspec").write_kernel_spec(tmp_path / "jupyter" / "kernels" / "python3")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [{kind for output in cell.outputs for kind in output.get("data", {})} for cell in cells]
    assert [number for number, kinds in enumerate(shown) if "image/png" in kinds] == [3, 9]
    assert {1, 2, 8, 9} <= {number for number, kinds in enumerate(shown) if "text/html" in kinds}
    assert shown[5] == {"text/plain"}
    assert "True" in cells[5].outputs[0]["data"]["text/plain"]
