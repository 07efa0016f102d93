/** The front on parallel axes, one row for each outcome, so that names stay readable on any screen. */

import { axisName, axisRanges, chosenRows, hoverTexts, keptPoints, plain } from "./marks.js";
import { short } from "../numbers.js";

const ROW = 58;

/** The picture in the form of `pairGrid`; every axis has a scale of its own. */
export function parallelAxes(now, axes, colours, width) {
  const { data, source } = now;
  const chosen = chosenRows(data, source);
  const ranges = axisRanges(source, chosen);
  const share = (value, k) => (value - ranges[k][0]) / (ranges[k][1] - ranges[k][0]);
  const down = (row) => axes.length - 1 - row;
  const rows = axes.map((_, row) => down(row));
  const path = (values) => axes.map((k) => share(values[k], k));
  const shared = { type: "scatter", showlegend: false, y: rows };
  const hover = hoverTexts(source, data.objectives);
  const joined = (isShown) => {
    const rowsOf = (of) => source.points.flatMap((point, n) => (isShown[n] ? [...of(point, n), null] : [])); // null ends a line
    return [rowsOf(({ values }) => path(values)), rowsOf(() => rows), rowsOf((_, n) => axes.map(() => hover[n]))];
  };
  const parts = (next) => {
    const kept = keptPoints(next.source, next.wish);
    return [joined(kept.map((mark) => !mark)), joined(kept)];
  };
  const opacity = source.points.length > 60 ? 0.35 : 0.5;
  const traces = parts(now).map(([x, y, text], isKept) => ({
    ...shared,
    ...{ x, y, text, opacity },
    mode: "lines",
    line: { color: isKept ? colours.accent : colours.else, width: 1 },
    hovertemplate: "%{text}<extra></extra>",
  }));
  traces.push({
    ...shared,
    x: path(source.base.values),
    mode: "lines+markers",
    line: { color: colours.ink, width: 1.5, dash: "dash" },
    marker: { symbol: "x-thin", size: 9, line: { width: 2, color: colours.ink } },
    text: axes.map((k) => `base model: ${short(source.base.values[k])}`),
    hovertemplate: "%{text}<extra></extra>",
  });
  for (const { name, values } of chosen) {
    traces.push({
      ...shared,
      x: path(values),
      mode: "markers",
      marker: { symbol: "star", size: 11, color: colours.paper, line: { width: 1.5, color: colours.ink } },
      text: axes.map((k) => `choice ${plain(name)}: ${short(values[k])}`),
      hovertemplate: "%{text}<extra></extra>",
    });
  }
  const label = (text, x, row, xanchor, yshift, color, size) => ({
    text,
    x,
    y: down(row),
    xref: "paper",
    yref: "y",
    xanchor,
    yanchor: "middle",
    yshift,
    showarrow: false,
    font: { size, color },
    bgcolor: colours.paper,
    borderpad: 0,
    opacity: 0.9,
  });
  const annotations = axes.flatMap((k, row) => [
    label(axisName(source.names[k], Math.max(20, Math.floor(width / 9) - 6)), 0, row, "left", 17, colours.ink, 12),
    label(short(ranges[k][0]), 0, row, "left", -13, colours.soft, 10),
    label(short(ranges[k][1]), 1, row, "right", -13, colours.soft, 10),
  ]);
  const lines = axes.map((_, row) => ({
    type: "line",
    xref: "x",
    yref: "y",
    x0: 0,
    x1: 1,
    y0: down(row),
    y1: down(row),
    line: { width: 1, color: colours.line },
    layer: "below",
  }));
  return {
    traces,
    layout: {
      xaxis: { range: [-0.01, 1.01], visible: false, fixedrange: true },
      yaxis: { range: [-0.6, axes.length - 0.3], visible: false, fixedrange: true },
      annotations,
    },
    height: axes.length * ROW + 20,
    shapes: (next) => [...lines, ...moving(next, axes, share, down, colours)],
    recoloured: (next) => {
      const [xs, ys, texts] = [0, 1, 2].map((part) => parts(next).map((each) => each[part]));
      return [{ x: xs, y: ys, text: texts }, [0, 1]];
    },
  };
}

/** The current point with its intervals, the pinned one, and the bounds. */
function moving({ current, pinned, wish }, axes, share, down, colours) {
  const joined = (values) => `M${axes.map((k, row) => `${share(values[k], k)},${down(row)}`).join("L")}`;
  const shapes = [];
  const place = (values, k, row, size, type, color) => ({
    type,
    xref: "x",
    yref: "y",
    xsizemode: "pixel",
    ysizemode: "pixel",
    xanchor: share(values[k], k),
    yanchor: down(row),
    x0: -size,
    x1: size,
    y0: -size,
    y1: size,
    fillcolor: color,
    line: { width: 1.5, color: colours.paper },
  });
  for (const { place: k, least } of wish?.asked ?? []) {
    const row = axes.indexOf(k);
    const x = share(least, k);
    if (row >= 0)
      shapes.push({
        type: "line",
        xref: "x",
        yref: "y",
        x0: x,
        x1: x,
        y0: down(row) - 0.3,
        y1: down(row) + 0.3,
        line: { width: 2, dash: "dash", color: colours.soft },
      });
  }
  if (pinned) {
    shapes.push({ type: "path", xref: "x", yref: "y", path: joined(pinned.values), line: { width: 2, color: colours.pin } });
    axes.forEach((k, row) => shapes.push(place(pinned.values, k, row, 4, "rect", colours.pin)));
  }
  shapes.push({ type: "path", xref: "x", yref: "y", path: joined(current.values), line: { width: 2.5, color: colours.now } });
  axes.forEach((k, row) => {
    const y = down(row);
    shapes.push({
      type: "line",
      xref: "x",
      yref: "y",
      x0: share(current.low[k], k),
      x1: share(current.high[k], k),
      y0: y,
      y1: y,
      line: { width: 5, color: colours.now },
      opacity: 0.45,
    });
    shapes.push(place(current.values, k, row, 5, "circle", colours.now));
  });
  return shapes;
}
