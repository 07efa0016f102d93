"""Offers the tracker."""

from moft import Component, hookimpl


@hookimpl
def moft_trackers():
    yield Component("diary", "moft_diary.tracker:Diary", "a diary of evaluations and fronts")
