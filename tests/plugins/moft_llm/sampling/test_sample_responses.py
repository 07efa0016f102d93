"""Sampling under a chat template: its date, and the block that it opens for the answer."""

from __future__ import annotations

import json
import shutil
from datetime import date

import torch

from moft_llm.data.chat.chat_template import Template
from moft_llm.generation.decoding import Decoding
from moft_llm.sampling.sample_responses import SamplingRequest, sample_responses


def letters(prompts, responses):
    return torch.tensor([float(len(response)) for response in responses])


def wanted(model, folder):
    path = folder / "prompts.txt"
    path.write_text("One\nTwo\n", encoding="utf-8")
    return SamplingRequest(str(model), None, path, "chat", 3, Decoding(max_new_tokens=8, batch=5), 0)


def with_template(model, folder, template):
    """A copy of a model with a chat template."""
    made = folder / "model"
    shutil.copytree(model, made)
    (made / "chat_template.jinja").write_text(template, encoding="utf-8")
    return made


def test_sampling_that_is_gone_on_with_keeps_the_date_of_its_prompts(tiny_models, tmp_path, monkeypatch):
    asked = "{% for m in messages %}{{ m.content + strftime_now('%Y-%m-%d') }}{% endfor %}"
    model = with_template(tiny_models(), tmp_path, asked)
    partial, told, whole = tmp_path / "a.partial", [], Template.render_all
    monkeypatch.setattr(Template, "render_all", lambda *given: told.append(whole(*given)) or told[-1])
    request = wanted(model, tmp_path)
    sample_responses(request, {"brief": letters}, on_progress=str, partial=partial)
    today = date.today().isoformat()
    assert told == [[f"One{today}", f"Two{today}"]]
    partial.write_text(partial.read_text().replace(today, "2020-02-29"))
    sample_responses(request, {"brief": letters}, on_progress=str, partial=partial)
    assert told[1:] == [["One2020-02-29", "Two2020-02-29"]]


def test_a_response_begins_with_the_block_that_its_prompt_opened(tiny_models, tmp_path):
    template = "{% for m in messages %}{{ m.role + ':' + m.content.split('</think>')[-1] }}{% endfor %}"
    opened = template + "{% if add_generation_prompt %}{{ 'assistant:<think>\\n' }}{% endif %}"
    request = wanted(with_template(tiny_models(), tmp_path, opened), tmp_path)
    found = sample_responses(request, {"brief": letters}, on_progress=str, partial=tmp_path / "a.partial")
    records = [json.loads(line) for line in found.lines.splitlines()]
    assert all(text.startswith("<think>\n") for record in records for text in record["responses"])
