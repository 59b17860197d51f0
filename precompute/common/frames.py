"""Tables as DataFrames; pandas is only needed for these."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from precompute.common.errors import WserError

if TYPE_CHECKING:
    import pandas


class PandasMissingError(WserError, ImportError):
    """A DataFrame is asked for, and pandas is not installed."""


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> "pandas.DataFrame":
    """A DataFrame of some rows.

    Args:
        rows: Each with a value for every column.
        columns: Names of the columns, in order.

    Raises:
        PandasMissingError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise PandasMissingError("a DataFrame needs pandas, which is not installed: run python -m pip install pandas") from None
    return pandas.DataFrame.from_records([[row[column] for column in columns] for row in rows], columns=list(columns))
