/** The sliders of the weights, each with a lock, and that of the dial. */

import { at, make, setText, setValue } from "../dom.js";
import { short } from "../numbers.js";
import { moved } from "../state/simplex.js";

export function weightControls(store) {
  const { objectives } = store.data;
  const rows = objectives.map((name, index) => weightRow(store, name, index));
  at("weights").append(...rows.map(({ element }) => element));
  at("equal").addEventListener("click", () => {
    const m = objectives.length;
    store.change({ weights: Array(m).fill(1 / m), locked: Array(m).fill(false) });
  });
  const dial = dialControls(store);
  const mode = document.querySelectorAll('input[name="by"]');
  for (const input of mode) input.addEventListener("change", () => store.change({ by: input.value }));
  return {
    update(now) {
      const { state, current, data } = now;
      for (const input of mode) input.checked = input.value === state.by;
      at("sliders").disabled = state.by === "outcomes";
      at("wish").hidden = state.by !== "outcomes";
      at("equal").hidden = state.by === "outcomes" || objectives.length < 2;
      rows.forEach((each, index) => each.update(state.weights[index], state.locked[index]));
      dial(state.dial);
      const other = current.served.some((weight, i) => Math.abs(weight - current.weights[i]) > 1e-6);
      const served = data.objectives.map((name, i) => `${name} ${short(current.served[i])}`).join(", ");
      setText(
        at("served"),
        other ? `This policy has a model for some weights only. The nearest one serves these: ${served}.` : "",
      );
    },
  };
}

/** One objective: slider, number and lock, which say the same weight. */
function weightRow(store, name, index) {
  const slide = (input) => () => {
    const value = Number(input.value);
    if (input.value === "" || !Number.isFinite(value)) return;
    store.change({ weights: moved(store.state.weights, index, value, store.state.locked) });
  };
  const id = `weight-${index}`;
  const shared = { min: 0, max: 1, step: 0.01, autocomplete: "off" };
  const slider = make("input", { ...shared, type: "range", id });
  slider.addEventListener("input", slide(slider));
  const number = make("input", {
    ...shared,
    type: "number",
    step: "any",
    "aria-label": `Weight of ${name}`,
    inputmode: "decimal",
  });
  number.addEventListener("change", slide(number));
  number.addEventListener("blur", () => store.change({}));
  const box = make("input", { type: "checkbox", "aria-label": `Lock the weight of ${name}` });
  box.addEventListener("change", () => {
    store.change({ locked: store.state.locked.map((mark, i) => (i === index ? box.checked : mark)) });
  });
  const lock = make(
    "label",
    { class: "lock", title: "Keep this weight while others are moved" },
    box,
    make("span", { text: "lock" }),
  );
  const label = make("label", { for: id, text: name });
  return {
    element: make("div", { class: "slider" }, label, lock, slider, number),
    update(weight, isLocked) {
      setValue(slider, String(Math.round(100 * weight) / 100));
      slider.setAttribute("aria-valuetext", `${(100 * weight).toFixed(1)} percent`);
      setValue(number, weight.toFixed(3));
      box.checked = isLocked;
      slider.disabled = number.disabled = isLocked;
    },
  };
}

/** The slider of the dial, in doublings, and its number. */
function dialControls(store) {
  const [slider, number] = [at("dial"), at("dial-number")];
  const [low, high] = store.dials.map(Math.log2);
  Object.assign(slider, { min: low, max: high, step: 0.05 });
  slider.addEventListener("input", () => store.change({ dial: 2 ** Number(slider.value) }));
  Object.assign(number, { min: store.dials[0], max: store.dials[1], step: "any" });
  number.addEventListener("change", () => {
    const dial = Math.min(Math.max(Number(number.value), store.dials[0]), store.dials[1]);
    if (number.value !== "" && Number.isFinite(dial)) store.change({ dial });
    number.value = String(short(store.state.dial));
  });
  return (dial) => {
    const place = Math.round(Math.log2(dial) / 0.05) * 0.05;
    setValue(slider, String(Number(place.toFixed(4))));
    const way = Math.abs(dial - 1) < 1e-6 ? "as trained" : dial > 1 ? "closer to the base model" : "further from the base model";
    slider.setAttribute("aria-valuetext", `${short(dial)}, ${way}`);
    setValue(number, String(short(dial)));
    const measured = store.estimates[store.state.source].dials;
    const isBelow = dial < measured[0] * 0.999;
    const isAbove = dial > measured[1] * 1.001;
    const above = ` Nothing was measured above ${short(measured[1])} but the base model; this is in between.`;
    const note = isBelow ? ` Nothing was measured below ${short(measured[0])}; this is a guess.` : isAbove ? above : "";
    setText(at("dial-says"), `${way[0].toUpperCase()}${way.slice(1)}.${note}`);
  };
}
