"""The pages of runs: sound HTML that needs nothing else, with the numbers of the stored results, and every name as text."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from forging import change_json, reseal
from markup import Page, words
from omegaconf import OmegaConf
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, recall_score

from wser import report, results, run
from wser.config import compose
from wser.protocols import hash_of_keys
from wser.reports import figures
from wser.reports.html import glossary

pytestmark = pytest.mark.slow


def written(*arguments: object) -> str:
    """The page that a command writes."""
    out = io.StringIO()
    stdout, sys.stdout = sys.stdout, out
    try:
        assert report.main([str(argument) for argument in arguments]) == 0
    finally:
        sys.stdout = stdout
    return Path(out.getvalue().strip()).read_text(encoding="utf-8")


def refused(capsys, *arguments: object, code: int = 1) -> str:
    """One sentence on stderr, nothing on stdout, that exit code."""
    assert report.main([str(argument) for argument in arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("wser.report: ")
    assert printed.err.count("\n") == 1, printed.err
    return printed.err


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    """A copy of a finished run's results, to be changed."""
    return Path(shutil.copytree(trained[0], tmp_path / "runs" / trained[0].name))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Where the page of the run is drawn."""
    return tmp_path_factory.mktemp("drawn") / "page"


@pytest.fixture(scope="module")
def text(trained, drawn) -> str:
    """The page."""
    return written(trained[0], "--out", drawn)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


@pytest.fixture(scope="module")
def summary(trained) -> dict:
    return json.loads((trained[0] / results.SUMMARY).read_text())


@pytest.mark.parametrize("name", ["confusion.png", "confusion_folds.png", "curves.png", "comparison.png"])
def test_figures_are_pictures_with_something_on_them(text, drawn, name):
    with Image.open(drawn / results.BESIDE_PAGE / name) as figure:
        figure.load()
        assert figure.format == "PNG"
        assert min(figure.size) > 300
        assert np.asarray(figure.convert("L")).std() > 5


def predictions(directory: Path) -> list[dict]:
    return [row for fold in results.finished(directory) for row in results.read_predictions(directory, fold)]


def values(cells: list[dict]) -> list[float | None]:
    """Exact numbers of a row's numeric cells; each is shown as it is rounded to a digit."""
    found = [cell for cell in cells if "n" in cell.get("class", "").split()]
    return [float(cell["data-value"]) if "data-value" in cell else None for cell in found]


# One run.


def test_the_page_is_sound_html(page):
    assert page.counts["main"] == page.counts["h1"] == page.counts["title"] == 1
    assert max(Counter(page.ids).values()) == 1
    assert all(after - before <= 1 for before, after in zip([0, *page.headings], page.headings, strict=False))
    labels = [
        value
        for _, fields in page.attributes
        for name, value in fields.items()
        if name in ("aria-labelledby", "aria-describedby")
    ]
    assert {*labels} <= {*page.ids}
    anchors = {fields["href"][1:] for tag, fields in page.attributes if tag == "a" and fields["href"].startswith("#")}
    assert anchors <= {*page.ids}


def test_nothing_is_fetched_and_only_the_own_script_runs(page, text):
    assert all(re.match(r"data:|#", one) for one in page.fetched)
    assert page.counts["script"] == 1
    (policy,) = [fields["content"] for tag, fields in page.attributes if tag == "meta" and "http-equiv" in fields]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy
    assert not [name for _, fields in page.attributes for name in fields if name.startswith("on")]
    style = "".join(re.findall(r"<style>.*?</style>", text, re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style


def test_references_within_the_plots_lead_somewhere(page, text):
    wanted = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    assert wanted <= {*page.ids}


def test_pictures_plots_and_regions_have_names(page):
    images = [fields for tag, fields in page.attributes if tag == "img"]
    assert len(images) >= 12, "four speakers, three emotions"
    assert all(fields["alt"] and fields["src"].startswith("data:image/webp;base64,") for fields in images)
    named = [fields for _, fields in page.attributes if fields.get("role") in ("img", "region")]
    assert all(fields.get("aria-label") or fields.get("aria-labelledby") for fields in named)
    plots = [fields for fields in named if fields["role"] == "img"]
    assert len(plots) == page.counts["svg"] == 6, "two of each fold, and published results of the same protocol and of others"
    assert all("tabindex" in fields for fields in named if fields["role"] == "region")


@pytest.mark.usefixtures("undrawn")
def test_curves_of_few_folds_have_plots_side_by_side(page, copy, monkeypatch):
    def named(page: Page) -> list[str]:
        labels = [fields.get("aria-label", "") for _, fields in page.attributes]
        return [label.partition(" by ")[0] for label in labels if " by epoch" in label]

    assert named(page) == [f"{quantity} of fold {fold}" for fold in (0, 1) for quantity in ("Loss", "Accuracy")]
    assert ("div", {"class": "panels few"}) in page.attributes
    monkeypatch.setattr("wser.reports.html.run.FEW_PANELS", 1)
    many = Page(written(copy))
    assert named(many) == ["Loss and accuracy of fold 0", "Loss and accuracy of fold 1"]


def test_what_was_run_is_said_in_words(page, trained):
    shown = words(page.text)
    record = json.loads((trained[0] / results.RUN).read_text())
    for part in (
        "ravdess, 24 utterances",
        "One woman and one man held out",
        "chosen on validation speakers",
        "three_pipe",
        "seed",
    ):
        assert part in shown
    assert words(record["command"]) in shown
    assert record["split_hash"] in shown
    assert record["corpora"][0]["fingerprint"] in shown


def test_headline_figures_are_those_of_scikit_learn_on_the_stored_predictions(page, trained):
    rows = predictions(trained[0])
    true, predicted = ([row[side] for row in rows] for side in ("true", "predicted"))
    found = [float(fields["data-value"]) for tag, fields in page.attributes if tag == "dd" and "data-value" in fields]
    classes = sorted({*true})
    expected = [
        recall_score(true, predicted, average="macro", labels=classes, zero_division=0),
        accuracy_score(true, predicted),
        f1_score(true, predicted, average="macro", labels=classes, zero_division=0),
        1 / len(classes),
        len(rows),
        len({row["speaker"] for row in rows}),
    ]
    assert found == pytest.approx(expected, abs=1e-9)
    assert f"Unweighted average recall {100 * expected[0]:.1f} %" in words(page.text)


def test_table_of_folds_holds_the_stored_figures(page, summary):
    head, *rows = page.tables["table-folds"]
    assert [cell["text"] for cell in head][3:6] == ["UAR %", "accuracy %", "macro F1 %"]
    for cells, record in zip(rows[:2], summary["folds"], strict=True):
        expected = [record[key] for key in ("fold", "utterances", "uar", "accuracy", "macro_f1", "epoch", "seconds")]
        assert values(cells) == pytest.approx(expected, abs=1e-9)
        assert words(cells[1]["text"]) == ", ".join(record["speakers"]["test"])
    beneath = {words(cells[0]["text"]): values(cells)[-5:-2] for cells in rows[2:]}
    keys = ("uar", "accuracy", "macro_f1")
    assert beneath == {
        "mean": pytest.approx([summary["mean"][key] for key in keys], abs=1e-9),
        "SD": pytest.approx([summary["deviation"][key] for key in keys], abs=1e-9),
        "pooled": pytest.approx([summary["pooled"][key] for key in keys], abs=1e-9),
        "95 % from": pytest.approx([summary["interval"][key][0] for key in keys], abs=1e-9),
        "95 % to": pytest.approx([summary["interval"][key][1] for key in keys], abs=1e-9),
    }


def test_every_percentage_shown_is_its_exact_value_rounded(page):
    cells = [cell for table in page.tables.values() for row in table for cell in row if "--share" in cell.get("style", "")]
    bars = [cell for cell in cells if "bar" in cell.get("class", "")]
    assert bars
    assert [words(cell["text"]) for cell in bars] == [f"{100 * float(cell['data-value']):.1f}" for cell in bars]


def test_confusion_matrices_hold_the_counts(page, summary):
    cells = [fields for tag, fields in page.attributes if tag == "td" and " called " in fields.get("title", "")]
    counts = np.array([int(fields["data-value"]) for fields in cells]).reshape(3, 7, 7)
    assert counts[0].tolist() == summary["pooled"]["confusion"]
    assert [one.tolist() for one in counts[1:]] == [record["confusion"] for record in summary["folds"]]
    for fields in cells:
        count, total = map(int, re.match(r"(\d+) of (\d+) ", fields["title"]).groups())
        assert count == int(fields["data-value"])
        assert fields["style"] == f"--share: {100 * count / total if total else 0:.1f}%"


def test_tables_by_class_speaker_and_sex_are_those_of_scikit_learn(page, trained, summary):
    rows = predictions(trained[0])
    classes = {words(cells[0]["text"]): values(cells) for cells in page.tables["table-classes"][1:]}
    for name, one in summary["pooled"]["per_class"].items():
        expected = [one[key] for key in ("recall", "precision", "f1", "accuracy", "support")]
        assert classes[name] == [None if value is None else pytest.approx(value, abs=1e-9) for value in expected]
    for cells in page.tables["table-speakers"][1:]:
        mine = [row for row in rows if row["speaker"] == words(cells[0]["text"])]
        assert values(cells)[:1] == [len(mine)]
        assert values(cells)[2] == pytest.approx(np.mean([row["true"] == row["predicted"] for row in mine]), abs=1e-9)
        assert words(cells[1]["text"]) == ("male" if int(mine[0]["speaker"]) % 2 else "female")
    for cells in page.tables["table-sexes"][1:]:
        odd = words(cells[0]["text"]) == "male"
        mine = [row for row in rows if int(row["speaker"]) % 2 == odd]
        assert values(cells)[:2] == [2, len(mine)]
        assert values(cells)[3] == pytest.approx(np.mean([row["true"] == row["predicted"] for row in mine]), abs=1e-9)


def test_mistakes_are_the_most_confident_of_all(page, trained):
    wrong = [row for row in predictions(trained[0]) if row["true"] != row["predicted"]]
    sure = sorted((float(row[f"p_{row['predicted']}"]) for row in wrong), reverse=True)
    shown = page.tables["table-mistakes"][1:]
    assert [values(cells)[1] for cells in shown] == sure[: len(shown)]
    assert len(shown) == min(12, len(wrong))
    everything = list(csv.DictReader((trained[0] / results.BESIDE_PAGE / "mistakes.csv").open()))
    assert sorted(row["utterance"] for row in everything) == sorted(row["key"] for row in wrong)


def test_figures_and_tables_lie_beside_the_page(page, trained):
    links = {fields["href"] for tag, fields in page.attributes if tag == "a" and fields["href"].startswith("report/")}
    assert links == {f"report/{file.name}" for file in (trained[0] / results.BESIDE_PAGE).iterdir()}
    assert {Path(link).suffix for link in links} == {".png", ".svg", ".csv", ".tex"}
    for link in links:
        file = trained[0] / link
        if file.suffix == ".png":
            Image.open(file).verify()
        if file.suffix == ".svg":
            assert "<svg" in file.read_text()
        if file.suffix == ".tex":
            assert re.search(r"\\begin\{tabular\}.*\\toprule.*\\bottomrule\n\\end\{tabular\}", file.read_text(), re.DOTALL)


def test_csv_has_every_digit(trained, summary):
    rows = list(csv.DictReader((trained[0] / results.BESIDE_PAGE / "folds.csv").open()))
    assert [float(row["UAR"]) for row in rows[:2]] == [record["uar"] for record in summary["folds"]]
    (pooled,) = [row for row in rows if row["fold"] == "pooled"]
    assert float(pooled["UAR"]) == summary["pooled"]["uar"]


@pytest.mark.usefixtures("unmade")
def test_unfinished_runs_say_so_and_average_nothing(tiny, tmp_path):
    assert run.main([*tiny, f"results={tmp_path}", "train.epochs=1", "fold=1"]) == 0
    (directory,) = tmp_path.iterdir()
    found = Page((directory / results.PAGE).read_text())
    above = words(found.text).split("What was run")[0]
    assert "1 of 2 folds is missing (0)" in above
    (corpus,) = results.read_record(directory)["corpora"]
    assert f" cache={corpus['cache']} fold=all" in above, "by then another cache of the corpus may be newer"
    assert {words(cells[0]["text"]) for cells in found.tables["table-folds"]} == {"fold", "1"}
    assert not {"table-classes", "table-sexes", "table-comparison", "table-claims"} & {*found.tables}
    assert not [fields for tag, fields in found.attributes if tag == "dd" and "data-value" in fields]
    assert not list((directory / results.BESIDE_PAGE).glob("comparison*"))


@pytest.mark.usefixtures("unmade")
def test_figures_chosen_on_the_test_part_are_marked(tiny, tmp_path):
    assert run.main([*tiny, f"results={tmp_path}", "train.epochs=1", "selection=test"]) == 0
    (directory,) = tmp_path.iterdir()
    found = Page((directory / results.PAGE).read_text())
    assert "epoch was chosen on the test set" in words(found.text).split("What was run")[0]
    assert any("Epoch chosen on the test set" in cell["text"] for cell in found.tables["table-comparison"][1])
    # The paper's way stands beside honest runs of the same corpus in its place.
    assert "the test set" in [words(cell["text"]) for row in found.tables["table-claims"] for cell in row]


@pytest.mark.usefixtures("unmade")
def test_what_is_the_papers_is_shown_for_its_network_alone(copy):
    config = copy / results.CONFIG
    config.write_text(config.read_text().replace("name: three_pipe", "name: ./mine.py"))
    found = Page(written(copy))
    shown = words(found.text)
    assert "table-claims" not in found.tables
    assert "authors of this network" not in shown
    assert "the paper's Table 5" not in shown
    assert f"{json.loads((copy / results.RUN).read_text())['command']} --describe" in shown, "its own network, no other"
    assert "table-comparison" in found.tables, "published results of the same corpus are still of interest"


@pytest.mark.usefixtures("unmade")
def test_the_page_of_a_model_that_is_fitted_at_once_speaks_of_no_epochs(at_once, tmp_path):
    assert run.main([*at_once, "model.seconds=0.001", f"results={tmp_path}"]) == 0
    (directory,) = tmp_path.iterdir()
    found = Page((directory / results.PAGE).read_text())
    assert "at_once.py, seconds=0.001" in words(found.text)
    assert "float64" in words(found.text)
    (gallery,) = [fields["style"] for tag, fields in found.attributes if tag == "table" and fields.get("class") == "pictures"]
    across, emotions = map(int, re.fullmatch(r"--across: (\d+); --emotions: (\d+)", gallery).groups())
    assert emotions < across, "pictures without curves beside them take the width of the page"
    assert "epoch" not in [words(cell["text"]) for cell in found.tables["table-folds"][0]]
    assert "selection of the epoch" not in words(found.text)
    assert "--describe" not in words(found.text)


def test_own_results_come_first_and_every_table_may_scroll(page, text):
    names = ("folds", "confusion", "what", "pictures", "claims", "earlier", "provenance")
    order = [text.index(f'id="{name}"') for name in names]
    assert order == sorted(order)
    assert page.counts["table"] == len(re.findall(r'<div class="box', text))
    told = {words(row[0]["text"]) for row in page.tables["table-provenance"]}
    assert {"command", "revision", "versions", "caches", "split"} <= told


@pytest.mark.usefixtures("unmade")
@pytest.mark.parametrize("shared", [0, 2])
def test_leakage_is_open_where_there_is_any(copy, shared):
    file = copy / results.LEAKAGE
    reports = json.loads(file.read_text())
    for report_ in reports:
        for kind in ("speakers", "sessions", "sentences", "recordings", "near_doubles"):
            report_[kind] = {"count": 0, "examples": []}
        report_["left_out"] = {"count": 3, "examples": ["a"]}
    reports[1]["recordings"] = {"count": shared, "examples": ["a", "b"][:shared]}
    file.write_text(json.dumps(reports))
    opened = re.search(r'<details( open)?>\s*<summary><h2 id="leakage">', written(copy))
    assert bool(opened[1]) == bool(shared)


def test_words_of_the_glossary_are_explained_in_the_page(page):
    file = Path(__file__).parents[3] / "docs" / "glossary.md"
    listed = dict(re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=^- |\Z)", file.read_text(encoding="utf-8"), re.M | re.S))
    assert {word: words(listed[word]) for word in glossary.WORDS} == glossary.WORDS
    for said in glossary.WORDS.values():
        assert words(said.replace("`", "")) in words(page.text)
    heads = {words(cell["text"]): cell.get("title", "") for cell in page.tables["table-folds"][0]}
    assert heads["UAR %"].startswith("UAR: unweighted average recall")
    assert heads["macro F1 %"].startswith("Macro F1: the mean over the classes")


STRANGE = "<script>alert('ü')</script> & \"$x_1$\" שלום"


def rename(path: Path, names: dict[str, str]) -> None:
    """Replace whole strings in the results of a run, and in CSV cells and headings."""

    def changed(value):
        if isinstance(value, dict):
            return {changed(key): changed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [changed(one) for one in value]
        return names.get(value, value) if isinstance(value, str) else value

    for file in path.rglob("*.json"):
        file.write_text(json.dumps(changed(json.loads(file.read_text()))))
    for file in path.glob(f"fold_*/{results.PREDICTIONS}"):
        rows = list(csv.reader(file.open(newline="")))
        with file.open("w", newline="") as out:
            csv.writer(out).writerows(
                [names.get(cell, f"p_{names.get(cell[2:], '')}" if cell[2:] in names else cell) for cell in row] for row in rows
            )


def test_names_are_shown_as_text(copy):
    speaker, emotion = "<img src=x onerror=alert(1)>Jürgen", STRANGE
    command = f"python -m wser.run '{STRANGE}'"
    record = json.loads((copy / results.RUN).read_text())
    rename(copy, {"03": speaker, "happy": emotion, record["command"]: command, record["by"]: "</dd><script>"})
    for fold in (0, 1):
        reseal(copy / f"fold_{fold}")
    moved = copy.rename(copy.with_name("<script>ö"))
    text = written(moved)
    found = Page(text)
    assert found.counts["script"] == 1
    assert "<img src=x" not in text
    shown = words(found.text)
    for name in (speaker, emotion, command, "</dd><script>", "<script>ö"):
        assert words(name) in shown, name
    assert any(speaker in cell["text"] for row in found.tables["table-speakers"] for cell in row)
    latex = (moved / results.BESIDE_PAGE / "classes.tex").read_text()
    assert r"\textless{}script\textgreater{}alert('ü')\textless{}/script\textgreater{} \& " in latex
    assert r"\$x\_1\$" in latex
    rows = list(csv.DictReader((moved / results.BESIDE_PAGE / "classes.csv").open(newline="")))
    assert STRANGE in [row["class"] for row in rows]


@pytest.mark.usefixtures("unmade")
def test_without_the_cache_the_page_says_so(copy, monkeypatch, tmp_path):
    config = copy / results.CONFIG
    config.write_text(re.sub(r"cache_root: .*", f"cache_root: {tmp_path / 'gone'}", config.read_text()))
    found = Page(written(copy))
    assert "The pictures are not shown: " in words(found.text)
    assert "Sex is recorded in the cache, which was not found." in words(found.text)
    assert found.counts["img"] == 0


def links_of(page: Page) -> list[dict]:
    """The links to recordings."""
    return [fields for tag, fields in page.attributes if tag == "a" and fields.get("class") == "play"]


@pytest.mark.usefixtures("unmade")
def test_recordings_are_linked_and_never_embedded(copy, small_ravdess, tmp_path):
    found = Page(written(copy, "--audio", small_ravdess))
    links = links_of(found)
    assert len(links) >= 12
    assert all(fields["aria-label"].startswith("play 03-01-") for fields in links)
    assert all((copy / fields["href"]).resolve().is_relative_to(small_ravdess.resolve()) for fields in links)
    assert all((copy / fields["href"]).is_file() for fields in links)
    own = Page(written(copy, "--audio", f"ravdess={small_ravdess / 'ravdess'}"))
    assert links_of(own) == links
    (empty := tmp_path / "empty").mkdir()
    assert "has no recording of them" in words(Page(written(copy, "--audio", empty)).text)


# Published figures, and what the paper claims.


def change(path: Path, **values) -> None:
    """Change keys of run.json."""
    file = path / results.RUN
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def of_the_paper(path: Path) -> None:
    """Make a run look like one of the paper's own values."""
    (plain,) = compose.load(["preset=paper"])
    (path / results.CONFIG).write_text(OmegaConf.to_yaml(OmegaConf.create(asdict(plain))))


def claimed(page: Page) -> list[list[str]]:
    return [[words(cell["text"]) for cell in row] for row in page.tables["table-claims"][1:]]


@pytest.mark.usefixtures("unmade")
def test_runs_of_the_papers_own_values_stand_beside_a_run(copy):
    mine, other = claimed(Page(written(copy)))[1][3], Path(shutil.copytree(copy, copy.with_name("other")))
    assert re.fullmatch(r"this run, preset tuned with \d+ other values, seed 0", mine)
    assert len(claimed(Page(written(copy)))) == 2, "that run has no values of the paper"
    of_the_paper(other)
    change(other, selection="test")
    paper, beside, own = claimed(Page(written(copy)))
    assert paper[3:6] == ["Sayed et al. 2025, Table 4", "the test set", "78.7"]
    assert beside[3:5] == ["preset paper, seed 0", "the test set"]
    assert own[3] == mine
    change(other, test_recipe_id="0123456789ab")
    assert len(claimed(Page(written(copy)))) == 2, "noisy pictures are another task"


@pytest.mark.usefixtures("unmade")
def test_figures_of_noisy_pictures_are_held_against_no_published_ones(copy):
    change(copy, test_recipe_id="0123456789ab", test_recipe=json.loads((copy / results.RUN).read_text())["recipe"])
    found = Page(written(copy))
    assert {words(row[0]["text"]) for row in found.tables["table-comparison"][1:]} == {"this run"}
    assert "table-claims" not in found.tables
    assert "best published result" not in words(found.text)


@pytest.mark.usefixtures("unmade")
def test_the_users_published_figures_join_the_comparison(copy, tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text(
        "- {corpus: ravdess, speakers: unknown, metric: uar, value: 0.987, work: 'Mine <2026>', doi: 10.1/x, classes: 7}\n"
        "- {corpus: ravdess, speakers: known, metric: uar, value: 0.991, work: Other, doi: 10.1/y, classes: 7}\n"
    )
    found = Page(written(copy, "--published", file))
    near, far = ([words(row[0]["text"]) for row in found.tables[name]] for name in ("table-comparison", "table-apart"))
    assert near[1] == "Mine <2026>"
    assert "Other" in far
    assert "Other" not in near
    assert "its epoch not chosen on the test set, is 98.7 % UAR (Mine <2026>)" in words(found.text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read"),
        ("a: b", "must be a list"),
        ("- {corpus: x}", "entry 1 of "),
        ("- {corpus: x, speakers: some, metric: uar, value: 0.5, work: x, doi: x}", "unknown or known or unclear"),
        ("- {corpus: x, speakers: known, metric: uar, value: 77, work: x, doi: x}", "must be a number of at most 1"),
        ("- {corpus: x, speakers: known, metric: uar, value: null, work: x, doi: x}", "must be a number"),
        (
            "- {corpus: x, speakers: known, metric: uar, value: .7, work: x, doi: x, folds: [.5]}",
            "must be a list of at least 2",
        ),
        ("- {corpus: x, speakers: known, metric: uar, value: .7, work: x, doi: x, pretrained: 'no'}", "true or false"),
        ("- {corpus: x, speakers: known, metric: uar, value: .7, work: x, doi: x, clases: 3}", "did you mean 'classes'"),
        ("- {corpus: x, speakers: known, metric: uar, value: .7, work: x, doi: x, url: 'javascript:x'}", "https://"),
    ],
)
def test_wrong_published_figures_are_refused(copy, tmp_path, content, says, capsys):
    file = tmp_path / "more.yaml"
    file.write_text(content)
    assert says in refused(capsys, copy, "--published", file)


# Damage.


def test_folders_without_results_are_refused(copy, tmp_path, capsys):
    (empty := tmp_path / "empty").mkdir()
    (foreign := tmp_path / "foreign").mkdir()
    (foreign / "run.json").write_text('{"some": "thing"}')
    assert "is empty" in refused(capsys, empty)
    assert "is damaged or foreign" in refused(capsys, foreign)
    assert "is not a directory" in refused(capsys, tmp_path / "nowhere")
    assert "holds the results of 1 runs" in refused(capsys, copy.parent)
    assert "no run is named" in refused(capsys, code=2)
    assert "name a run twice" in refused(capsys, copy, copy, code=2)
    assert "holds no results" in refused(capsys, "--index", empty)
    assert "is not a directory" in refused(capsys, "--index", tmp_path / "nowhere")
    shutil.rmtree(copy / "fold_0")
    shutil.rmtree(copy / "fold_1")
    assert "has no finished fold" in refused(capsys, copy)


DAMAGE = {
    "gone": None,
    "empty": lambda _: b"",
    "torn": lambda content: content[: len(content) // 2],
    "foreign": lambda _: b"[]",
    "bare": lambda _: b"{}",
    "bytes": lambda content: b"\xff\xfe\x00" + content,
}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["run.json", "config.yaml", "leakage.json", "fold_0/metrics.json", "fold_0/predictions.csv", "fold_0/curves.csv"]
)
def test_a_damaged_file_is_named_in_one_sentence_or_not_missed(copy, name, damage, capsys):
    file = copy / name
    content = file.read_bytes()
    file.unlink()
    if DAMAGE[damage]:
        file.write_bytes(DAMAGE[damage](content))
    code = report.main([str(copy)])
    printed = capsys.readouterr()
    if code == 0:
        # Without its metrics a fold is not finished; a torn configuration may still be one.
        assert (name, damage) in {
            ("fold_0/metrics.json", "gone"),
            ("config.yaml", "torn"),
            ("config.yaml", "empty"),
            ("config.yaml", "bare"),
        }
    else:
        assert printed.err.count("\n") == 1
        # Metrics that say nothing do not fit their predictions: either may be named, and their folder to be moved away.
        assert Path(name).name in printed.err or (damage == "bare" and str(copy / "fold_0") in printed.err)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"selection": "chance"}, "'selection' must be validation or last or test"),
        ({"corpora": [{"corpus": "ravdess", "synthetic": False}]}, "'corpora[0]' lacks 'cache'"),
        ({"recipe": {}}, "'recipe' lacks 'f_min'"),
        ({"recipe": 3}, "'recipe' is a whole number, and must be keys with values"),
        ({"versions": "1.0"}, "'versions' is text, and must be keys with values"),
    ],
)
def test_records_of_another_version_are_refused_and_left_out_of_the_index(copy, values, says, capsys, messages):
    shutil.copytree(copy, copy.with_name("sound"))
    change(copy, **values)
    assert says in refused(capsys, copy)
    (copy / results.SUMMARY).unlink()
    assert report.main(["--index", str(copy.parent)]) == 0
    messages.check(capsys.readouterr().err, copy)
    assert len(Page((copy.parent / "index.html").read_text()).tables["table-all"]) == 2


@pytest.mark.parametrize("content", ["[]", "model: three_pipe", "protocol: loso", "3"])
def test_a_strange_configuration_leaves_the_index_whole(copy, content, capsys, messages):
    shutil.copytree(copy, copy.with_name("sound"))
    (copy / results.CONFIG).write_text(content)
    assert report.main(["--index", str(copy.parent)]) == 0
    messages.check(capsys.readouterr().err)


@pytest.mark.usefixtures("unmade")
def test_directories_that_are_no_folds_of_the_run_are_not_counted(copy, summary):
    shutil.copytree(copy / "fold_0", copy / "fold_7")
    (copy / results.SUMMARY).unlink()
    found = Page(written(copy))
    (pooled,) = [cells for cells in found.tables["table-folds"] if words(cells[0]["text"]) == "pooled"]
    assert values(pooled)[:2] == [None, summary["pooled"]["utterances"]]


@pytest.mark.usefixtures("unmade")
def test_a_directory_whose_name_is_no_text_has_a_page(copy):
    try:
        moved = copy.rename(copy.parent / os.fsdecode(b"bad\xff"))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes text alone")
    assert report.main([str(moved)]) in (0, 1)
    assert not list(moved.glob(".report*"))


def test_options_that_would_be_ignored_are_refused(copy, capsys):
    other = shutil.copytree(copy, copy.with_name("other"))
    assert "leave out --audio" in refused(capsys, "--index", copy.parent, "--audio", copy, code=2)
    assert "leave out --markdown" in refused(capsys, "--index", copy.parent, "--markdown", code=2)
    assert "leave out --out" in refused(capsys, copy, "--markdown", "--out", copy, code=2)
    assert "--audio" in refused(capsys, copy, other, "--audio", copy, code=2)


@pytest.mark.usefixtures("unmade")
def test_speakers_whose_folds_are_missing_are_not_averaged(copy, tiny, tmp_path):
    assert (
        run.main(
            [
                *tiny,
                f"results={tmp_path / 'dependent'}",
                "train.epochs=1",
                "protocol=speaker_dependent",
                "fold=0,1",
                "protocol.folds=3",
            ]
        )
        == 0
    )
    (directory,) = (tmp_path / "dependent").iterdir()
    found = Page((directory / results.PAGE).read_text())
    assert "table-speakers" not in found.tables
    assert "1 of 3 folds is missing (2)" in words(found.text)


@pytest.mark.usefixtures("unmade")
def test_speakers_of_joined_corpora_keep_their_own_pictures(joined_cache, network, small_recipe_id, tmp_path):
    settings = ["corpus=[ravdess,emodb]", "labels=common4", f"cache_root={joined_cache}", f"recipe={small_recipe_id}", *network]
    quick = ["train.epochs=1", "train.device=cpu", "jobs=1", "logger=[]", "protocol.folds=2", f"results={tmp_path}"]
    assert run.main([*settings, *quick]) == 0
    (directory,) = tmp_path.iterdir()
    found = Page((directory / results.PAGE).read_text())
    rows = [words(cells[0]["text"]) for cells in found.tables[None] if cells[0].get("scope") == "row"]
    tested = {row["speaker"] for row in predictions(directory)}
    assert tested <= {*rows}
    assert "ravdess + emodb, 4 classes" in words(found.text)


def test_a_run_that_diverged_has_a_page(copy):
    folder = copy / "fold_0"
    rows = list(csv.DictReader((folder / results.PREDICTIONS).open(newline="")))
    with (folder / results.PREDICTIONS).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: "nan" if key.startswith("p_") else value for key, value in row.items()} for row in rows)
    change_json(folder / results.METRICS, diverged=True)
    lines = (folder / results.CURVES).read_text().splitlines()
    (folder / results.CURVES).write_text(
        "\n".join([lines[0], *(re.sub(r",[\d.]+,", ",inf,", line, count=1) for line in lines[1:])])
    )
    reseal(folder)
    found = Page(written(copy))
    assert "The loss became infinite in fold 0" in words(found.text)
    assert "nan" not in [words(cell["text"]) for row in found.tables["table-mistakes"] for cell in row]


@pytest.mark.usefixtures("unmade")
def test_a_repeated_run_says_what_was_found(copy):
    (copy / results.REPEAT).mkdir()
    (copy / results.REPEAT / results.VERDICT).write_text('{"matches": true, "verdict": "matches: all of them"}')
    assert "matches: all of them" in words(Page(written(copy)).text)


@pytest.mark.parametrize("key", ["uar", "per_class", "confusion", "speakers", "device", "created"])
def test_metrics_of_another_version_are_refused(copy, key, capsys):
    file = copy / "fold_1" / results.METRICS
    file.write_text(json.dumps({name: value for name, value in json.loads(file.read_text()).items() if name != key}))
    assert f"it lacks '{key}'" in refused(capsys, copy)


def test_real_command_line_writes_the_same_page_of_the_same_results(trained, text, tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "wser.report", str(trained[0]), "--out", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    page = tmp_path / "out" / results.PAGE
    assert found.stdout == f"{page}\n"
    assert found.stderr == ""
    assert page.read_text(encoding="utf-8") == text


def test_refusals_come_without_the_heavy_imports():
    command = [sys.executable, "-X", "importtime", "-m", "wser.report", "nowhere"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (found.returncode, found.stdout) == (1, "")
    imports = [line for line in found.stderr.splitlines() if line.startswith("import time:")]
    assert len(found.stderr.splitlines()) == len(imports) + 1
    imported = {line.rpartition("|")[2].strip() for line in imports}
    assert "precompute.common.terminal" in imported
    assert not {"torch", "pytorch_lightning"} & imported


# Sweeps, several runs, and all runs of a directory.


@pytest.fixture(scope="module")
def swept(tiny, no_figures, tmp_path_factory) -> Path:
    """The results of a sweep of four runs of one epoch, whose pages have no figures."""
    folder = tmp_path_factory.mktemp("swept")
    with no_figures():
        assert run.main([*tiny, f"results={folder}", "train.epochs=1", "train.lr=0.01,0.02", "seed=0,1"]) == 0
    return folder


def sweep_of(folder: Path) -> Path:
    (path,) = folder.glob("tiny-*-sweep-*")
    return path


def test_page_of_a_sweep_holds_its_figures_and_the_best_by_validation(swept):
    path = sweep_of(swept)
    found = Page((path / results.PAGE).read_text())
    record = json.loads((path / results.SWEEP).read_text())
    for cells, point in zip(found.tables["table-points"][1:], record["points"], strict=True):
        assert words(cells[0]["text"]) == Path(point["directory"]).name
        expected = [
            point[key] for key in ("validation_uar", "test_uar", "test_uar_low", "test_uar_high", "accuracy", "macro_f1")
        ]
        axes = [point["values"][axis] for axis in record["axes"]]
        assert values(cells)[:8] == pytest.approx([*axes, *expected], abs=1e-9)
    (best,) = record["best"]
    shown = [float(fields["data-value"]) for tag, fields in found.attributes if tag == "dd" and "data-value" in fields]
    assert shown == pytest.approx([best["test_uar"], best["validation_uar"]], abs=1e-9)
    assert f"lr {best['values']['train.lr']}" in words(found.text)
    links = [fields["href"] for tag, fields in found.attributes if tag == "a" and fields["href"].startswith("../tiny-")]
    assert len({*links}) == 4
    assert all((path / link).is_file() for link in links)
    assert found.counts["svg"] == 1, "one axis besides the seed"


@pytest.mark.usefixtures("unmade")
def test_page_of_a_sweep_without_validation_says_what_it_holds_and_why_nothing_is_chosen(swept, tmp_path):
    folder = Path(shutil.copytree(swept, tmp_path / "moved"))
    path = sweep_of(folder)
    for record in folder.glob("tiny-*/run.json"):
        change(record.parent, selection="last")
        (record.parent / "summary.json").unlink()
        for file in record.parent.glob("fold_*/metrics.json"):
            file.write_text(json.dumps(json.loads(file.read_text()) | {"validation": None, "selection": "last"}))
    shown = words(Page(written(path)).text)
    uar: dict[float, list[float]] = {}
    for point in json.loads((path / results.SWEEP).read_text())["points"]:
        uar.setdefault(point["values"]["train.lr"], []).append(point["test_uar"])
    low, high = sorted(100 * sum(seeds) / len(seeds) for seeds in uar.values())
    assert f"test UAR of all 2 settings, lowest to highest, %{low:.1f} to {high:.1f} chosen settingnone" in shown
    assert "No setting is named as the best: 4 of 4 points have no validation UAR" in shown
    assert "train.lr=0.01,0.02 seed=0,1 selection=validation" in shown


def test_an_unfinished_point_is_named_and_has_no_figures(swept, tmp_path):
    folder = Path(shutil.copytree(swept, tmp_path / "moved"))
    path = sweep_of(folder)
    first = Path(json.loads((path / results.SWEEP).read_text())["points"][0]["directory"]).name
    shutil.rmtree(folder / first / "fold_1")
    found = Page(written(path))
    assert f"1 of 4 runs lack folds ({first}, folds 1)" in words(found.text)
    row = next(cells for cells in found.tables["table-points"] if words(cells[0]["text"]) == first)
    assert values(row)[2:-1] == [None] * 8
    assert not [fields for tag, fields in found.attributes if tag == "dd" and "data-value" in fields]
    shutil.rmtree(folder / first)
    assert report.main([str(path)]) == 1


def test_damaged_sweeps_are_refused(swept, tmp_path, capsys):
    path = Path(shutil.copytree(sweep_of(swept), tmp_path / "sweep"))
    for content in ("", "{", "[]", "{}", '{"axes": {}, "points": [], "command": "", "titles": []}', '{"axes": 3}'):
        (path / results.SWEEP).write_text(content)
        assert "is damaged or foreign" in refused(capsys, path)


def test_several_runs_stand_side_by_side_with_the_paired_test(swept, capsys):
    runs = sorted(path for path in swept.glob("tiny-*") if "-sweep-" not in path.name)[:3]
    found = Page(written(*runs))
    stored = [json.loads((path / results.SUMMARY).read_text()) for path in runs]
    table = found.tables["table-runs"][1:]
    uar = [values(cells)[2] for cells in table]
    assert uar == pytest.approx([one["pooled"]["uar"] for one in stored], abs=1e-9)
    differences = found.tables["table-differences"][1:]
    assert [words(cells[0]["text"]) for cells in differences] == ["B - A"] * 3 + ["C - A"] * 3
    assert [values(cells)[0] for cells in differences[::3]] == pytest.approx([uar[1] - uar[0], uar[2] - uar[0]], abs=1e-9)
    assert "4 test speakers are few" in words(found.text)
    assert "is a sweep" in refused(capsys, sweep_of(swept), runs[0], code=2)


def test_runs_of_other_utterances_stand_side_by_side_without_the_test(swept, copy):
    other = next(path for path in swept.glob("tiny-*") if "-sweep-" not in path.name)
    rows = copy / "fold_0" / results.PREDICTIONS
    key = rows.read_text().splitlines()[1].partition(",")[0]
    for file in (rows, copy / results.SPLIT):
        file.write_text(file.read_text().replace(key, f"{key}x"))
    change_json(copy / results.RUN, split_hash=hash_of_keys(json.loads((copy / results.SPLIT).read_bytes())["folds"]))
    reseal(copy / "fold_0")
    found = Page(written(copy, other))
    assert "A and B have no paired test: " in words(found.text)
    assert "table-differences" not in found.tables


def test_index_lists_every_run_and_links_to_its_page(swept, tmp_path):
    folder = Path(shutil.copytree(swept, tmp_path / "runs"))
    names = sorted(path.name for path in folder.glob("tiny-*") if "-sweep-" not in path.name)
    shutil.rmtree(folder / names[0] / "fold_0")
    (folder / names[1] / results.RUN).write_text("{")
    (folder / names[2] / results.SUMMARY).unlink()
    found = Page(written("--index", folder))
    head, *body = found.tables["table-all"]
    assert [words(cell["text"]) for cell in head[:4]] == ["run", "UAR %", "settings", "95 % interval"], (
        "a phone shows the first"
    )
    rows = {words(cells[0]["text"]): dict(zip([words(cell["text"]) for cell in head], cells, strict=True)) for cells in body}
    assert sorted(rows) == [names[0], *names[2:]]
    assert words(rows[names[0]]["folds"]["text"]) == "1 of 2, unfinished"
    shown = ("UAR %", "accuracy %", "validation UAR %")
    assert not any("data-value" in rows[names[0]][name] for name in shown)
    for name in names[2:]:
        expected = json.loads((swept / name / results.SUMMARY).read_text())
        metrics = [expected["pooled"]["uar"], expected["pooled"]["accuracy"], expected["validation"]["uar"]]
        assert [float(rows[name][key]["data-value"]) for key in shown] == pytest.approx(metrics, abs=1e-9)
        low, high = (100 * end for end in expected["interval"]["uar"])
        assert words(rows[name]["95 % interval"]["text"]) == f"{low:.1f} to {high:.1f}"
        lr = OmegaConf.load(folder / name / results.CONFIG).train.lr
        assert f"train.lr={lr}" in words(rows[name]["settings"]["text"])
    assert f"Left out: {folder / names[1] / results.RUN} is damaged" in words(found.text)
    assert "The same in all runs: model: three_pipe; corpus: ravdess; " in words(found.text)
    links = {fields["href"] for tag, fields in found.attributes if tag == "a"}
    assert {f"{name}/{results.PAGE}" for name in names[2:]} <= links
    assert len(found.tables["table-best"]) == 2
    labels = {fields["for"] for tag, fields in found.attributes if tag == "label"}
    assert labels == {fields["id"] for tag, fields in found.attributes if tag == "input"}


def test_markdown_for_a_readme(swept, trained, capsys):
    assert report.main(["--markdown", str(trained[0])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| fold | test speakers |")
    summary = json.loads((trained[0] / results.SUMMARY).read_text())
    assert f"| {100 * summary['pooled']['uar']:.1f} |" in next(line for line in lines if line.startswith("| pooled"))
    assert report.main(["--markdown", str(sweep_of(swept))]) == 0
    out = capsys.readouterr().out
    assert "Sayed et al. 2025, Table 4" in out
    assert out.count("seed ") == 4


def test_published_figures_with_aliases_are_refused_in_a_short_sentence(copied, tmp_path, capsys, messages):
    """A few hundred bytes of aliases that mean each other would be gigabytes of text."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    assert report.main([str(copied), "--published", str(tmp_path / "mine.yaml")]) == 1
    err = capsys.readouterr().err
    messages.check(err)
    assert len(err) < 1000


@pytest.mark.parametrize(("classes", "drawn"), [(4, 100), (7, 100), (40, 6), (41, 0), (600, 0), (1000, 0)])
def test_confusion_matrices_are_drawn_as_long_as_they_can_be_read(classes, drawn):
    assert figures.panels_drawn(classes) == drawn
