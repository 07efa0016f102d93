/** Colours and texts of the picture: those of the page, light or dark, and names that plotly takes as text. */

import { mean, shortened } from "../numbers.js";

/** A text in which plotly reads no markup. */
export function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A name for an axis. */
export function axisName(name, length) {
  return plain(shortened(name, length));
}

/** The colours of the page as it is now. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "paper", "accent", "now", "pin", "else"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** What is shown beside the pointer, for each measured point. */
export function hoverTexts(source, objectives) {
  return source.points.map(({ weights, dial, values, ci }) => {
    const parts = objectives.map((name, i) => `${plain(name)} ${weights[i].toFixed(2)}`).join(", ");
    const means = source.names.map((name, k) => {
      const bounds = ci && ci[k] ? ` (${mean(ci[k][0])} to ${mean(ci[k][1])})` : "";
      return `${plain(name)}: ${mean(values[k])}${bounds}`;
    });
    return [`weights ${parts}`, `dial ${Number(dial.toPrecision(3))}`, ...means].join("<br>");
  });
}

/** Whether each measured point keeps all bounds; all do without a wish. */
export function keptPoints(source, wish) {
  return source.points.map(
    ({ values }) => wish === null || wish.asked.every(({ place, least }) => values[place] >= least - 1e-9 * Math.abs(least)),
  );
}

/** The choices of the run with their values at these outcomes; those that were not measured on this split are left out. */
export function chosenRows(data, source) {
  return data.choices
    .map(({ name, values }) => ({ name, values: source.names.map((outcome) => values[source.split]?.[outcome] ?? null) }))
    .filter(({ values }) => values.every((value) => value !== null));
}

/** The lowest and highest value of each outcome in a picture, with some room. */
export function axisRanges(source, chosen) {
  return source.names.map((_, k) => {
    const values = [...source.points, source.base, ...chosen].map((each) => each.values[k]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) || 1) * 0.09;
    return [low - room, high + room];
  });
}
