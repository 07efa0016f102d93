/** The front as a panel for each pair of outcomes: columns share their horizontal axis, rows their vertical one. */

import { axisName, axisRanges, chosenRows, hoverTexts, keptPoints, plain } from "./marks.js";

const BARRED = 60;

/** The parts of an axis that all panels share. */
function axisStyle(colours) {
  return {
    gridcolor: colours.line,
    linecolor: colours.soft,
    zeroline: false,
    showline: true,
    fixedrange: true,
    ticks: "outside",
    ticklen: 3,
    tickfont: { size: 11, color: colours.soft },
    automargin: true,
  };
}

/**
 * The picture: traces and layout, and functions that say what moves in it.
 *
 * `axes` are places of outcomes; of `pair`, only these two have a panel, on a narrow screen.
 */
export function pairGrid(now, axes, pair, colours, width) {
  const { data, source } = now;
  const chosen = chosenRows(data, source);
  const ranges = axisRanges(source, chosen);
  const across = pair ? [pair[0]] : axes.slice(0, -1);
  const up = pair ? [pair[1]] : axes.slice(1);
  const panels = pair ? [[0, 0]] : up.flatMap((_, row) => across.slice(0, row + 1).map((_, column) => [column, row]));
  const xs = across.map((_, i) => (i ? `x${i + 1}` : "x"));
  const ys = up.map((_, j) => (j ? `y${j + 1}` : "y"));
  const side = across.length;
  const gap = side > 1 ? 0.035 : 0;
  const size = (1 - gap * (side - 1)) / side;
  const length = side === 1 ? 40 : Math.max(12, Math.floor(width / side / 9));
  const layout = {};
  across.forEach((k, i) => {
    layout[`xaxis${i ? i + 1 : ""}`] = {
      ...axisStyle(colours),
      domain: [i * (size + gap), i * (size + gap) + size],
      range: ranges[k],
      anchor: ys.at(-1),
      nticks: side === 1 ? 8 : 4,
      title: { text: axisName(source.names[k], length), font: { size: 12, color: colours.ink } },
    };
  });
  up.forEach((k, j) => {
    const top = 1 - j * (size + gap);
    layout[`yaxis${j ? j + 1 : ""}`] = {
      ...axisStyle(colours),
      domain: [Math.max(0, top - size), top],
      range: ranges[k],
      anchor: xs[0],
      nticks: side === 1 ? 8 : 4,
      title: { text: axisName(source.names[k], length), font: { size: 12, color: colours.ink } },
    };
  });
  const hover = hoverTexts(source, data.objectives);
  const traces = panels.flatMap(([i, j]) => panelTraces(source, chosen, [across[i], up[j]], [xs[i], ys[j]], hover, colours));
  const measured = panels.map((_, n) => 3 * n);
  const height = pair ? Math.min(360, width) : side === 1 ? Math.min(480, width * 0.62) : Math.min(side * 230, width * 0.86);
  return {
    traces,
    layout,
    height,
    shapes: (next) => panels.flatMap(([i, j]) => panelShapes(next, [across[i], up[j]], [xs[i], ys[j]], colours)),
    recoloured: (next) => [{ "marker.color": measured.map(() => dotColours(next, colours)) }, measured],
  };
}

function dotColours({ source, wish }, colours) {
  return keptPoints(source, wish).map((kept) => (kept ? colours.accent : colours.else));
}

/** Three traces: measured points, base model, choices. */
function panelTraces(source, chosen, [x, y], [xaxis, yaxis], hover, colours) {
  const bar = (k) => {
    if (source.points.length > BARRED || !source.points.some(({ ci }) => ci && ci[k])) return { visible: false };
    const to = (end) => source.points.map(({ values, ci }) => (ci && ci[k] ? Math.abs(ci[k][end] - values[k]) : 0));
    return { type: "data", symmetric: false, array: to(1), arrayminus: to(0), color: colours.accent, thickness: 0.5, width: 0 };
  };
  const shared = { xaxis, yaxis, mode: "markers", type: "scatter", showlegend: false };
  const base = (end, k) =>
    source.base.ci && source.base.ci[k] ? [Math.abs(source.base.ci[k][end] - source.base.values[k])] : [0];
  const baseBar = (k) => ({
    type: "data",
    symmetric: false,
    array: base(1, k),
    arrayminus: base(0, k),
    color: colours.ink,
    thickness: 1,
    width: 0,
  });
  return [
    {
      ...shared,
      x: source.points.map(({ values }) => values[x]),
      y: source.points.map(({ values }) => values[y]),
      error_x: bar(x),
      error_y: bar(y),
      marker: { size: 7, color: colours.accent, opacity: 0.75, line: { width: 0.5, color: colours.paper } },
      text: hover,
      hovertemplate: "%{text}<extra></extra>",
    },
    {
      ...shared,
      x: [source.base.values[x]],
      y: [source.base.values[y]],
      error_x: baseBar(x),
      error_y: baseBar(y),
      marker: { symbol: "x-thin", size: 11, line: { width: 2.5, color: colours.ink } },
      hovertemplate: "base model: %{x:.4f}, %{y:.4f}<extra></extra>",
    },
    {
      ...shared,
      x: chosen.map(({ values }) => values[x]),
      y: chosen.map(({ values }) => values[y]),
      marker: { symbol: "star", size: 12, color: colours.paper, line: { width: 1.5, color: colours.ink } },
      text: chosen.map(({ name }) => plain(name)),
      hovertemplate: "choice %{text}: %{x:.4f}, %{y:.4f}<extra></extra>",
    },
  ];
}

/** The current point with its interval, the pinned one, and the bounds: what moves, which is cheap to draw again. */
function panelShapes({ current, pinned, wish }, [x, y], [xref, yref], colours) {
  const shapes = [];
  const line = (x0, y0, x1, y1, style) => ({ type: "line", xref, yref, x0, y0, x1, y1, line: style });
  for (const { place, least } of wish?.asked ?? []) {
    const style = { dash: "dash", width: 1.5, color: colours.soft };
    if (place === x) shapes.push({ ...line(least, 0, least, 1, style), yref: `${yref} domain` });
    if (place === y) shapes.push({ ...line(0, least, 1, least, style), xref: `${xref} domain` });
  }
  const mark = (point, size, type, color) => {
    const [a, b] = [point.values[x], point.values[y]];
    const pixels = { xsizemode: "pixel", ysizemode: "pixel", xanchor: a, yanchor: b, x0: -size, x1: size, y0: -size, y1: size };
    return { type, xref, yref, ...pixels, fillcolor: color, line: { width: 1.5, color: colours.paper } };
  };
  if (pinned) shapes.push(mark(pinned, 6, "rect", colours.pin));
  const bar = { width: 2, color: colours.now };
  shapes.push(line(current.low[x], current.values[y], current.high[x], current.values[y], bar));
  shapes.push(line(current.values[x], current.low[y], current.values[x], current.high[y], bar));
  shapes.push(mark(current, 7, "circle", colours.now));
  return shapes;
}
