"""Which files are part of a plug-in's identity: those beside it that it imports, and no others of the same name."""

import pytest

from precompute.common import source


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("import svm", True),
        ("from svm import x", True),
        ("from . import svm", True),
        ("from .svm import x", True),
        ("from folder.models.svm import x", True),
        ("from folder.models import svm", True),
        ("import models.svm", True),
        ("from sklearn.svm import LinearSVC", False),
        ("from sklearn import svm", False),
        ("import sklearn.svm", False),
    ],
)
def test_a_module_of_another_package_is_no_file_beside(line, counts, tmp_path):
    folder = tmp_path / "folder" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(f"def f():\n    {line}\n")
    (folder / "svm.py").write_text("x = 1\n")
    assert source.with_imports(folder / "mine.py") == [folder / "mine.py", *([folder / "svm.py"] if counts else [])]
