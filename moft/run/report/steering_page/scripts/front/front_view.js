/** The picture of the front, which plotly draws: what was measured once, what moves again and again. */

import { at, make, setText } from "../dom.js";
import { palette } from "./marks.js";
import { pairGrid } from "./pair_grid.js";
import { parallelAxes } from "./parallel_axes.js";

const MOST_PAIRED = 4;
const NARROW = 440;
const RECOLOURED_AFTER = 120;
const CONFIG = { displayModeBar: false, responsive: false, showTips: false };

export function frontView(store) {
  const figure = at("front");
  const [across, up] = [at("pair-x"), at("pair-y")];
  let drawn = null;
  let now = null;
  let recolouring;

  function axesOf({ data, source }) {
    const own = [...data.objectives, data.main].map((name) => source.names.indexOf(name)).filter((place) => place >= 0);
    return own.length ? own : source.names.map((_, place) => place);
  }

  function draw() {
    const colours = palette();
    const axes = axesOf(now);
    const width = figure.clientWidth;
    const isPaired = now.data.objectives.length <= MOST_PAIRED && axes.length >= 2;
    const isNarrow = width < NARROW && isPaired && axes.length > 2;
    at("pair").hidden = !isNarrow;
    if (isNarrow) offer(axes);
    const pair = isNarrow ? [Number(across.value), Number(up.value)] : null;
    const picture = isPaired ? pairGrid(now, axes, pair, colours, width) : parallelAxes(now, axes, colours, width);
    const layout = {
      ...picture.layout,
      width,
      height: picture.height,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: isPaired ? { l: 10, r: 12, t: 10, b: 10 } : { l: 8, r: 8, t: 8, b: 8 },
      font: { family: 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif', color: colours.ink },
      hoverlabel: { bgcolor: colours.paper, bordercolor: colours.soft, font: { color: colours.ink, size: 12 }, align: "left" },
      hovermode: "closest",
      dragmode: false,
      shapes: picture.shapes(now),
    };
    window.Plotly.react(figure, picture.traces, layout, CONFIG);
    drawn = { ...picture, width, source: now.source, kept: null };
    recolour();
  }

  function offer(axes) {
    if (across.dataset.axes === axes.join() && across.dataset.split === now.source.split) return;
    for (const [select, first] of [
      [across, 0],
      [up, axes.length - 1],
    ]) {
      select.replaceChildren(...axes.map((k) => make("option", { value: k, text: now.source.names[k] })));
      select.value = String(axes[first]);
    }
    Object.assign(across.dataset, { axes: axes.join(), split: now.source.split });
  }

  function recolour() {
    const kept = now.wish ? JSON.stringify(now.wish.asked) : "";
    if (kept === (drawn.kept ?? "")) return;
    drawn.kept = kept;
    window.Plotly.restyle(figure, ...drawn.recoloured(now));
  }

  for (const select of [across, up]) select.addEventListener("change", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => now && draw());
  new ResizeObserver(() => {
    if (now && drawn && Math.abs(figure.clientWidth - drawn.width) > 1) requestAnimationFrame(draw);
  }).observe(figure.parentElement);
  return {
    update(next) {
      now = next;
      if (drawn === null || drawn.source !== next.source) draw();
      else {
        window.Plotly.relayout(figure, { shapes: drawn.shapes(next) });
        clearTimeout(recolouring);
        recolouring = setTimeout(recolour, RECOLOURED_AFTER);
      }
      const names = axesOf(next).map((k) => next.source.names[k]);
      setText(
        at("front-says"),
        `${next.source.points.length} measured tradeoffs by ${names.join(", ")}. The table below has the numbers.`,
      );
      at("mark-pinned").hidden = !next.pinned;
      at("mark-bound").hidden = !next.wish;
      at("mark-choice").hidden = !next.data.choices.length;
    },
  };
}
