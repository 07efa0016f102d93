"""A row of moft's own format as a list: `prompt`, `responses` and `labels`."""

from __future__ import annotations

from collections.abc import Mapping

from moft import DataError
from moft_llm.data.chat.messages import prompt_of, response_of
from moft_llm.data.files.file_formats import Row
from moft_llm.data.preference_example import LIST_FORMAT, Example
from moft_llm.data.texts_and_labels import label_of, short_repr


def example_of(row: Row) -> Example:
    """A prompt with responses and labels from a row.

    Raises:
        DataError: the row is malformed, or has labels that do not match its responses.
    """
    where = row.where
    if not {"prompt", "responses"} <= row.values.keys():
        raise DataError(f"{where}: has the fields {', '.join(map(str, row.values)) or '(none)'}; a row is {LIST_FORMAT}.")
    responses, labels = row["responses"], row.values.get("labels")
    if not isinstance(responses, list | tuple):
        raise DataError(f"{where}: responses is {short_repr(responses)}; it must be a list of texts.")
    if not isinstance(labels, Mapping | None):
        raise DataError(f"{where}: labels is {short_repr(labels)}; it must be an object with a list of numbers per objective.")
    by_objective: dict[str, tuple[float | None, ...]] = {}
    for name, values in (labels or {}).items():
        if values is None:
            continue
        if not name.strip():
            raise DataError(f"{where}: a label is called {name!r}; a label needs a name.")
        if not isinstance(values, list | tuple) or len(values) != len(responses):
            got = f"{len(values)} values" if isinstance(values, list | tuple) else short_repr(values)
            raise DataError(f"{where}: label {name!r} has {got} for {len(responses)} responses; give a number or null for each.")
        by_objective[name] = tuple(label_of(value, f"label {i} of {name!r}", where) for i, value in enumerate(values, start=1))
    checked = tuple(response_of(response, f"response {i}", where) for i, response in enumerate(responses, start=1))
    return Example(prompt_of(row["prompt"], where, row.values.get("tools")), checked, by_objective, where)
