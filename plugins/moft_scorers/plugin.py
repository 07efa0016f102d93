"""Offers scorers of generated text."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_scorers() -> Iterator[Component]:
    """The six shipped scorers."""
    yield Component("brevity", "moft_scorers.brevity:Brevity", "few words in a sentence")
    yield Component("length", "moft_scorers.length:Length", "many words, few, or near a number of them")
    vader = "positive sentiment, by a lexicon of English"
    yield Component("vader", "moft_scorers.vader:Vader", vader, packages=("vaderSentiment",), extra="scorers")
    yield Component("regex", "moft_scorers.regex:Regex", "matches of a regular expression")
    classifier = "a label or a reward by a transformers classifier"
    yield Component("classifier", "moft_scorers.classifier:Classifier", classifier, packages=("transformers",), extra="scorers")
    onnx = "an output of a text classifier in ONNX"
    yield Component("onnx", "moft_scorers.onnx_classifier:Onnx", onnx, packages=("onnxruntime", "tokenizers"), extra="scorers")
