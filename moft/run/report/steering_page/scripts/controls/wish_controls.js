/** The wish: for each outcome its reachable range, a bound, and which outcome is to be as large as the bounds allow. */

import { at, make, setText, setValue } from "../dom.js";
import { mean, short } from "../numbers.js";

const UNITS = [
  ["value", "value"],
  ["base", "% of base"],
  ["best", "% of best"],
];

export function wishControls(store) {
  let rows = [];
  let shown = null;
  return {
    update({ state, source, estimates, wish, current }) {
      if (shown !== source) {
        shown = source;
        rows = source.names.map((name, place) => boundRow(store, name, place));
        at("bounds").replaceChildren(...rows.map(({ element }) => element));
      }
      if (wish === null) return;
      rows.forEach((each) => each.update({ state, source, estimates, wish, current }));
      setText(
        at("wish-says"),
        wish.isKept ? "All bounds are kept by what is expected." : "Not all bounds can be kept. Shown is the nearest.",
      );
      at("wish-says").dataset.kept = String(wish.isKept);
      at("obstacles").replaceChildren(...wish.obstacles.map((text) => make("li", { text })));
    },
  };
}

/** One outcome. */
function boundRow(store, name, place) {
  const bound = () => store.state.bounds.find((each) => each.name === name) ?? null;
  const change = (next) => {
    const others = store.state.bounds.filter((each) => each.name !== name);
    store.change({ bounds: next === null ? others : [...others, next] });
  };
  const estimates = () => store.estimates[store.state.source];
  const anchorOf = (unit) => (unit === "value" ? null : unit);
  const anchored = (unit) =>
    unit === "base" ? estimates().source.base.values[place] : unit === "best" ? estimates().high[place] : 1;
  const id = `bound-${place}`;
  const keep = make("input", { type: "checkbox", id });
  const slider = make("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `At least, for ${name}` });
  const number = make("input", { type: "number", step: "any", "aria-label": `Least value of ${name}`, inputmode: "decimal" });
  const unit = make("select", { "aria-label": `What the bound on ${name} is a share of` });
  unit.append(...UNITS.map(([value, text]) => make("option", { value, text })));
  const goal = make("input", { type: "radio", name: "maximise", value: name, "aria-label": `Maximise ${name}` });
  const least = (value) => {
    const asked = Number((value / anchored(unit.value)).toPrecision(4));
    return { name, value: asked, anchor: anchorOf(unit.value) };
  };
  const ends = () => [estimates().low[place], estimates().high[place]];
  const ofSlider = () => ends()[0] + Number(slider.value) * (ends()[1] - ends()[0]);
  keep.addEventListener("change", () => change(keep.checked ? least(ofSlider()) : null));
  slider.addEventListener("input", () => change(least(ofSlider())));
  number.addEventListener("change", () => {
    const value = Number(number.value) / (unit.value === "value" ? 1 : 100);
    if (number.value !== "" && Number.isFinite(value) && (unit.value === "value" || value > 0))
      change({ name, value, anchor: anchorOf(unit.value) });
  });
  unit.addEventListener("change", () =>
    change(least(bound() === null ? ofSlider() : store.wishes[store.state.source].least(bound()))),
  );
  goal.addEventListener("change", () => store.change({ maximise: name }));
  const bar = make(
    "div",
    { class: "reach", "aria-hidden": "true" },
    make("i", { class: "all" }),
    make("i", { class: "in" }),
    make("b", { class: "base" }),
    make("b", { class: "now" }),
  );
  const says = make("p", { class: "soft reach-says" });
  const ask = make("label", { class: "goal" }, goal, make("span", { text: "maximise" }));
  const label = make("label", { for: id, class: "name" }, keep, make("span", { text: `keep ${name} at least` }));
  const top = make("div", { class: "line" }, label, ask);
  const element = make("div", { class: "outcome" }, top, bar, slider, make("div", { class: "least" }, number, unit), says);
  return {
    element,
    update({ state, source, wish, current }) {
      const own = bound();
      const [low, high] = ends();
      const share = (value) => Math.min(Math.max((value - low) / (high - low || 1), 0), 1);
      const value = own === null ? current.values[place] : store.wishes[state.source].least(own);
      keep.checked = own !== null;
      if (document.activeElement !== unit) unit.value = own?.anchor ?? (own ? "value" : unit.value);
      for (const option of unit.options) option.disabled = option.value !== "value" && !(anchored(option.value) > 0);
      setValue(slider, String(Math.round(100 * share(value)) / 100));
      slider.setAttribute("aria-valuetext", mean(value));
      const asked = value / (unit.value === "value" ? 1 : anchored(unit.value) / 100);
      setValue(number, String(unit.value === "value" ? Number(asked.toFixed(4)) : Number(asked.toFixed(2))));
      slider.disabled = number.disabled = unit.disabled = own === null;
      goal.checked = state.maximise === name;
      const [all, inside, base, now] = bar.children;
      const reachable = wish.reachable[place];
      Object.assign(all.style, { left: "0%", width: "100%" });
      inside.hidden = reachable === null;
      const edges = reachable === null ? [0, 0] : reachable.map(share);
      Object.assign(inside.style, { left: `${100 * edges[0]}%`, width: `${100 * (edges[1] - edges[0])}%` });
      base.style.left = `${100 * share(source.base.values[place])}%`;
      now.style.left = `${100 * share(current.values[place])}%`;
      const others = state.bounds.some((each) => each.name !== name);
      const within = others ? " within the other bounds" : "";
      setText(
        says,
        reachable === null
          ? "Nothing keeps the other bounds."
          : `Reachable${within}: ${mean(reachable[0])} to ${mean(reachable[1])}. Base ${mean(source.base.values[place])}, now ${mean(current.values[place])}.`,
      );
      says.title = short(value);
    },
  };
}
