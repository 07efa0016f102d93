"""Offers the task."""

from moft import Component, hookimpl


@hookimpl
def moft_tasks():
    yield Component("csv-lists", "moft_csv_lists.task:CsvLists", "lists from CSV files")
