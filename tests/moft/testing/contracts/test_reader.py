"""The contract of readers refuses every broken rule, by its words."""

from __future__ import annotations

import pytest

from moft.api import LabelledTexts
from moft.testing import check_reader

CHAT = [{"role": "user", "content": "p"}]
SOUND = LabelledTexts("f:1", CHAT, ["a", {"role": "assistant", "content": "b"}], {"x": [1, None]})


class Fixed:
    """Gives what it was given; the second time without the last list."""

    def __init__(self, *found, places=("f",), again=True):
        self.places, self._found, self._again, self._calls = places, found, again, 0

    def lists(self, split):
        self._calls += 1
        return iter(self._found if self._again or self._calls == 1 else self._found[:-1])


def changed(**values):
    return LabelledTexts(**{**vars(SOUND), **values})


def test_a_sound_reader_passes():
    check_reader(Fixed(SOUND, changed(prompt="p", labels={})))
    check_reader(Fixed(SOUND, places=[]))


@pytest.mark.parametrize(
    ("reader", "says"),
    [
        (Fixed(SOUND, places="f"), "`places`, a list of texts"),
        (Fixed(), "there is a list"),
        (Fixed({"prompt": "p"}), "a moft.api.LabelledTexts"),
        (Fixed(changed(where=" ")), "a list says where it is from"),
        (Fixed(changed(prompt=[{"content": "p"}])), "a prompt is text or messages"),
        (Fixed(changed(responses=["a", 2])), "a response is text or a message"),
        (Fixed(changed(labels={"x": [1]})), "a label has a value for each response"),
        (Fixed(changed(labels={"x": [1, float("nan")]})), "labels are finite numbers or None"),
        (Fixed(SOUND, SOUND, again=False), "the same lists in the same order"),
    ],
)
def test_a_broken_rule_is_told(reader, says):
    with pytest.raises(AssertionError, match=says):
        check_reader(reader)
