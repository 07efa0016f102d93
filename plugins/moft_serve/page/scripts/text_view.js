/** A prompt that the server answers at base, current and pinned, side by side and as the text comes. */

import { at, make, setText } from "./dom.js";
import { Refusal } from "./connection.js";
import { steering } from "./snippets.js";

const SETTLED_AFTER = 500;
const BASE = 1e6;

/** The view; `examples` are prompts of the validation split. */
export function textView(connection, examples) {
  return (store) => {
    const { data } = store;
    const parts = promptSection(data, examples);
    const running = {};
    const asked = { current: null, pinned: null };
    const key = (tradeoff) => tradeoff && JSON.stringify(steering(tradeoff, data));
    let now = null;
    let prompt = null;
    let waiting;

    /** Answers anew at one place; an answer that still comes there is stopped. */
    async function answer(place, tradeoff) {
      running[place]?.abort();
      const controller = new AbortController();
      running[place] = controller;
      const field = parts.fields[place];
      const messages = [{ role: "user", content: prompt }]; // which the server renders as in training
      const body = {
        model: data.model,
        messages,
        max_tokens: Number(parts.tokens.value) || 64,
        temperature: 0,
        stream: true,
        ...steering(tradeoff, data),
      };
      try {
        const response = await connection.ask("v1/chat/completions", body, controller.signal);
        let text = "";
        setText(field, "");
        for await (const event of eventsOf(response)) {
          if (event.error) throw new Refusal(event.error.message);
          text += event.choices?.[0]?.delta?.content ?? "";
          setText(field, text);
        }
        setText(parts.says, "");
      } catch (error) {
        if (error.name === "AbortError") return;
        if (!connection.isGone) setText(parts.says, error instanceof Refusal ? error.message : "The answer broke off.");
        if (!(error instanceof Refusal)) connection.lost();
      }
    }

    function askAll() {
      if (!now || !prompt || connection.isGone || connection.wantsToken) return;
      answer("base", { weights: data.objectives.map(() => 1 / data.objectives.length), dial: BASE });
      for (const place of ["current", "pinned"]) {
        asked[place] = key(now[place]);
        if (now[place]) answer(place, now[place]);
      }
    }

    /** Answers anew where weights or dial are others than those that were asked for. */
    function askChanged() {
      if (!prompt || connection.isGone) return;
      for (const place of ["current", "pinned"]) {
        if (key(now[place]) === asked[place]) continue;
        asked[place] = key(now[place]);
        if (now[place]) answer(place, now[place]);
      }
    }

    parts.ask.addEventListener("click", () => {
      prompt = parts.text.value;
      askAll();
    });
    parts.select.addEventListener("change", () => {
      parts.text.value = examples[Number(parts.select.value)];
    });
    connection.back = askAll;
    return {
      update(next) {
        now = next;
        parts.pinned.hidden = !next.pinned;
        clearTimeout(waiting);
        waiting = setTimeout(askChanged, SETTLED_AFTER);
      },
    };
  };
}

/** The events of a stream of server-sent events, whose data are JSON. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const text = line.slice(5).trim();
      if (text === "[DONE]") return;
      yield JSON.parse(text);
    }
  }
}

/** The elements of the section. */
function promptSection(data, examples) {
  const select = make("select", { id: "prompt-example" });
  select.append(...examples.map((prompt, place) => make("option", { value: place, text: prompt.slice(0, 80) })));
  const text = make("textarea", { id: "prompt" });
  text.value = examples[0] ?? "";
  const tokens = make("input", { type: "number", id: "prompt-tokens", min: 1, max: 4096, value: 64 });
  const ask = make("button", { type: "button", text: "Answer" });
  const says = make("p", { class: "note", role: "alert" });
  const fields = Object.fromEntries(["base", "current", "pinned"].map((place) => [place, make("p")]));
  const boxes = Object.entries(fields).map(([place, field]) =>
    make("div", { class: "answer", role: "group", "aria-label": `Answer, ${place}` }, make("h3", { text: place }), field),
  );
  const pick = make("p", { class: "pick" }, make("label", { for: "prompt-example", text: "Example " }), select);
  if (!examples.length) pick.hidden = true;
  at("live").replaceChildren(
    make(
      "section",
      { "aria-labelledby": "live-heading" },
      make("h2", { id: "live-heading", text: `The same ${data.nouns.list}, answered` }),
      make("p", {
        class: "soft",
        text: "The most likely text of each, so that answers differ by weights and dial alone. A new answer begins when the sliders rest.",
      }),
      pick,
      make("p", {}, make("label", { for: "prompt", text: `Your ${data.nouns.list}` }), text),
      make(
        "p",
        {},
        make("label", { for: "prompt-tokens", text: "at most this many tokens " }),
        make("span", { class: "narrow" }, tokens),
        " ",
        ask,
      ),
      says,
      make("div", { class: "answers" }, ...boxes),
    ),
  );
  return { select, text, tokens, ask, says, fields, pinned: boxes[2] };
}
