/** What a user has set, and how it stands in the fragment of the address, so that a link brings it back. */

import { roundedWeights } from "../numbers.js";
import { normalised } from "./simplex.js";

export const DIALS = [0.125, 64];
const BOUND = /^(?<name>.+)>=\s*(?<value>[^\s%]+)(?:\s*(?<percent>%)\s*of\s+(?<anchor>base|best))?$/s;

/** The state before anything is set: equal weights at the dial of training. */
export function initialState(data) {
  const m = data.objectives.length;
  return {
    by: "weights",
    weights: Array(m).fill(1 / m),
    dial: 1,
    locked: Array(m).fill(false),
    bounds: [],
    maximise: data.sources[0].names[0],
    pinned: null,
    source: 0,
  };
}

/** A bound in the words of `moft choose`. */
export function boundText({ name, value, anchor }) {
  const number = Number((anchor ? 100 * value : value).toPrecision(6));
  return `${name} >= ${number}${anchor ? `% of ${anchor}` : ""}`;
}

function place(weights, dial) {
  return [...roundedWeights(weights), Number(dial.toPrecision(6))].join(",");
}

/** The fragment of a state, without its `#`. */
export function fragmentOf(state, data) {
  const words = new URLSearchParams();
  words.set("weights", roundedWeights(state.weights).join(","));
  words.set("dial", String(Number(state.dial.toPrecision(6))));
  if (state.locked.some(Boolean)) words.set("locked", state.locked.map(Number).join(""));
  if (state.by === "outcomes") words.set("by", "outcomes");
  if (state.by === "outcomes" || state.bounds.length) {
    for (const bound of state.bounds) words.append("keep", boundText(bound));
    words.set("maximise", state.maximise);
  }
  if (state.pinned) words.set("pinned", place(state.pinned.weights, state.pinned.dial));
  if (state.source) words.set("split", `${data.sources[state.source].split} ${data.sources[state.source].kind}`);
  return words.toString();
}

/** `{state, problems}`: the state of a fragment; what does not fit this run is left out, with a sentence for each. */
export function stateOf(fragment, data) {
  const state = initialState(data);
  const words = new URLSearchParams(fragment);
  const problems = [];
  const m = data.objectives.length;
  const numbers = (text) => text.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const isDial = (dial) => dial >= DIALS[0] / 1000 && dial <= DIALS[1] * 1000;
  const source = data.sources.findIndex(({ split, kind }) => `${split} ${kind}` === words.get("split"));
  if (source >= 0) state.source = source;
  const { names } = data.sources[state.source];
  if (words.has("weights")) {
    const weights = normalised(numbers(words.get("weights")), 0.01);
    if (weights && weights.length === m) state.weights = weights;
    else problems.push(`The weights of the link are not ${m} numbers that sum to one.`);
  }
  if (words.has("dial")) {
    const dial = Number(words.get("dial"));
    if (isDial(dial)) state.dial = dial;
    else problems.push("The dial of the link is not a number above zero.");
  }
  const locked = words.get("locked") ?? "";
  if (locked.length === m) state.locked = [...locked].map((mark) => mark === "1");
  if (words.get("by") === "outcomes") state.by = "outcomes";
  for (const text of words.getAll("keep")) {
    const bound = boundOf(text);
    const isNew = bound && names.includes(bound.name) && !state.bounds.some(({ name }) => name === bound.name);
    if (isNew) state.bounds.push(bound);
    else problems.push(`The bound “${text}” of the link is not of this run.`);
  }
  const maximise = words.get("maximise");
  if (names.includes(maximise)) state.maximise = maximise;
  else if (maximise !== null) problems.push(`“${maximise}”, which the link maximises, is not measured here.`);
  if (!names.includes(state.maximise)) [state.maximise] = names;
  if (words.has("pinned")) {
    const all = numbers(words.get("pinned"));
    const weights = normalised(all.slice(0, -1), 0.01);
    if (weights && weights.length === m && isDial(all.at(-1))) state.pinned = { weights, dial: all.at(-1) };
    else problems.push("What the link has pinned does not fit this run.");
  }
  return { state, problems };
}

/** A bound from the words of `moft choose`; null if it is none. */
export function boundOf(text) {
  const found = BOUND.exec(text.trim().replace(/>=\s*(base|best)$/, ">= 100% of $1"))?.groups;
  const value = Number(found?.value ?? NaN);
  if (!Number.isFinite(value) || (found.percent && value <= 0)) return null;
  return { name: found.name.trim(), value: found.percent ? value / 100 : value, anchor: found.anchor ?? null };
}
