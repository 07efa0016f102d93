/** The state as a command line, as Python, and as a request to `moft serve`. */

import { at, copied, setText } from "./dom.js";
import { roundedWeights } from "./numbers.js";
import { boundText } from "./state/state.js";

const PLAIN = /^[\w@%+=:,./-]+$/;

/** A word of a POSIX shell. */
export function shellWord(text) {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** A text as Python writes it; JSON's escapes are Python's, too. */
function pythonText(text) {
  return JSON.stringify(text);
}

/** The address of the server; of a page without one, where `moft serve` is unless told otherwise. */
function originOf(data) {
  return data.origin ?? "http://127.0.0.1:8000";
}

function modelOf(data) {
  return data.model ?? data.name;
}

function dialOf(state) {
  return Number(state.dial.toPrecision(4));
}

function named(state, data) {
  const weights = roundedWeights(state.weights);
  return data.objectives.map((name, i) => [name, weights[i]]).filter(([, weight]) => weight > 0);
}

/** Commands; a wish is one for `moft choose`, which promises it. */
export function commandOf(state, data) {
  const run = shellWord(data.place);
  const use = data.isText ? [`moft generate ${run} PROMPT`] : [`moft score ${run} DATA`];
  if (state.by === "outcomes") {
    const bounds = state.bounds.map((bound) => ` --keep ${shellWord(boundText(bound))}`).join("");
    return `moft choose ${run}${bounds} --maximise ${shellWord(state.maximise)} --name mine\n${use[0]} --weights mine`;
  }
  const weights = named(state, data)
    .map(([name, weight]) => `${name}=${weight}`)
    .join(",");
  return `${use[0]} --weights ${shellWord(weights)} --dial ${dialOf(state)}`;
}

/** The same in Python; texts come from a server, through the package openai. */
export function pythonOf(state, data) {
  const isWish = state.by === "outcomes";
  const { weights, dial } = steering(state, data);
  const opened = ["import moft", "", `run = moft.open_run(${pythonText(data.place)})`];
  if (isWish) {
    const bounds = state.bounds.map((bound) => pythonText(boundText(bound))).join(", ");
    opened.push(`choice = run.choose(keep=[${bounds}], maximise=${pythonText(state.maximise)}, name="mine")`);
  }
  const table = `{${Object.entries(weights).map(([name, weight]) => `${pythonText(name)}: ${weight}`).join(", ")}}`;
  if (!data.isText)
    return [...opened, `scores = run.scores("DATA", ${isWish ? "choice.name" : `${table}, dial=${dial}`})`].join("\n");
  return [
    ...(isWish ? [...opened, ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${pythonText(`${originOf(data)}/v1`)}, api_key="none")`,
    "answer = client.chat.completions.create(",
    `    model=${pythonText(modelOf(data))},`,
    '    messages=[{"role": "user", "content": "PROMPT"}],',
    `    extra_body={"weights": ${isWish ? "choice.weights" : table}, "dial": ${isWish ? "choice.dial" : dial}},`,
    ")",
    "print(answer.choices[0].message.content)",
  ].join("\n");
}

/** The part of a request's body that steers. */
export function steering(state, data) {
  return { weights: Object.fromEntries(named(state, data)), dial: dialOf(state) };
}

/** A request to a server of the run; for a ranker with an example that the server makes up. */
export function requestOf(state, data) {
  const [origin, model] = [originOf(data), modelOf(data)];
  const send = `-H ${shellWord("Content-Type: application/json")} -d`;
  if (data.isText) {
    const body = { model, messages: [{ role: "user", content: "PROMPT" }], ...steering(state, data) };
    return `curl -s ${origin}/v1/chat/completions ${send} ${shellWord(JSON.stringify(body))}`;
  }
  const weights = named(state, data)
    .map(([name, weight]) => `${encodeURIComponent(name)}=${weight}`)
    .join(",");
  const example = shellWord(`${origin}/v1/models/${encodeURIComponent(model)}/example`);
  return `curl -s ${example} | curl -s ${shellWord(`${origin}/v1/score?weights=${weights}&dial=${dialOf(state)}`)} ${send} @-`;
}

const FORMS = { command: commandOf, python: pythonOf, request: requestOf };

/** The section with the three forms, each with a button that copies it. */
export function snippets() {
  const fields = Object.fromEntries(Object.keys(FORMS).map((form) => [form, at(`as-${form}`)]));
  for (const [form, field] of Object.entries(fields)) {
    at(`copy-${form}`).addEventListener("click", async () => {
      setText(at("said"), (await copied(field.textContent, field)) ? "Copied." : "Nothing was copied; the text is selected.");
    });
  }
  return {
    update({ state, data }) {
      for (const [form, field] of Object.entries(fields)) setText(field, FORMS[form](state, data));
      at("promise").hidden = state.by !== "outcomes";
    },
  };
}
