/** A query that the server ranks at base, current and pinned, with the ranks that documents moved by. */

import { at, make, setText } from "./dom.js";
import { Newest, Refusal } from "./connection.js";
import { readQuery } from "./read_query.js";
import { steering } from "./snippets.js";

const LISTED = 15;
const ANSWERED = "moft: change to ranking";
/** A dial at which every policy is its base model. */
const BASE_DIAL = 1e12;

/** The view; `examples` are queries of the validation split. */
export function rankingView(connection, examples) {
  return (store) => {
    const { data } = store;
    const parts = rankingSection(data, examples);
    const answers = { base: null, current: null, pinned: null };
    let query = null;
    let now = null;

    const places = Object.fromEntries(
      ["base", "current", "pinned"].map((place) => [place, new Newest((asked) => answer(place, asked))]),
    );

    async function answer(place, { query: own, body, startedAt }) {
      try {
        const response = await connection.ask("v1/score", { model: data.model, queries: [own.request], ...body });
        const { scores } = (await response.json()).results[0];
        if (own !== query) return;
        answers[place] = { ranks: ranksOf(scores), scores };
        setText(parts.says, "");
        show();
        if (place === "current") {
          performance.measure(ANSWERED, { start: startedAt, end: performance.now() });
          performance.clearMeasures(ANSWERED);
        }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (!connection.isGone) setText(parts.says, error.message);
      }
    }

    function ask(place, tradeoff) {
      if (query !== null && !connection.isGone && !connection.wantsToken) {
        places[place].ask({ query, body: steering(tradeoff, data), startedAt: performance.now() });
      }
    }

    function askAll() {
      if (now === null) return;
      ask("base", { weights: data.objectives.map(() => 1 / data.objectives.length), dial: BASE_DIAL });
      ask("current", now.current);
      if (now.pinned) ask("pinned", now.pinned);
    }

    function take(next) {
      query = next;
      Object.assign(answers, { base: null, current: null, pinned: null });
      askAll();
    }

    function show() {
      if (!answers.current || !query) return;
      const isPinned = now.pinned && answers.pinned;
      const order = answers.current.ranks.map((rank, item) => [rank, item]).sort((a, b) => a[0] - b[0]);
      const rows = order.slice(0, parts.all.checked ? order.length : LISTED).map(([rank, item]) => {
        const cells = [make("td", { class: "n", text: String(rank) }), make("th", { scope: "row", text: query.items[item] })];
        cells.push(
          make("td", { class: "n", text: answers.current.scores[item].toFixed(4) }),
          rankCell(rank, answers.base?.ranks[item]),
        );
        if (isPinned) cells.push(rankCell(rank, answers.pinned.ranks[item]));
        return make("tr", {}, ...cells);
      });
      parts.pinned.hidden = !isPinned;
      parts.rows.replaceChildren(...rows);
      parts.table.hidden = false;
    }

    parts.all.addEventListener("change", show);
    parts.select.addEventListener("change", () => take(example(examples[Number(parts.select.value)], data)));
    parts.read.addEventListener("click", () => {
      try {
        take(readQuery(parts.text.value, data.nouns));
        setText(parts.says, "");
      } catch (error) {
        setText(parts.says, error.message);
      }
    });
    parts.file.addEventListener("change", async () => {
      if (parts.file.files.length) parts.text.value = await parts.file.files[0].text();
    });
    connection.back = askAll;
    if (examples.length) take(example(examples[0], data));
    let [current, pinned] = [null, null];
    return {
      update(next) {
        now = next;
        const [key, other] = [
          JSON.stringify(steering(next.current, data)),
          next.pinned && JSON.stringify(steering(next.pinned, data)),
        ];
        if (current === null) askAll();
        else if (key !== current) ask("current", next.current);
        if (other !== pinned && next.pinned && current !== null) ask("pinned", next.pinned);
        if (other !== pinned) answers.pinned = null;
        [current, pinned] = [key, other];
        show();
      },
    };
  };
}

/** The rank of each item, 1 for the largest score; of equal scores the first item comes first. */
export function ranksOf(scores) {
  const order = scores.map((_, item) => item).sort((a, b) => scores[b] - scores[a] || a - b);
  const ranks = Array(scores.length);
  order.forEach((item, place) => {
    ranks[item] = place + 1;
  });
  return ranks;
}

/** A cell that says where a document was, and how far it moved from there. */
function rankCell(rank, before) {
  if (before === undefined) return make("td", { class: "n", text: "–" });
  const by = before - rank;
  const words = by > 0 ? `up ${by}` : by < 0 ? `down ${-by}` : "same rank";
  const mark = by > 0 ? `▲${by}` : by < 0 ? `▼${-by}` : "=";
  const arrow = make("span", { class: by > 0 ? "up" : by < 0 ? "down" : "", "aria-hidden": "true", text: mark });
  return make("td", { class: "n" }, `${before} `, arrow, make("span", { class: "unseen", text: words }));
}

/** An example, which is a query as a request holds it, with names of its items. */
function example(request, { nouns }) {
  return {
    request,
    items: (request.items ?? request.features).map((item, row) => (request.items ? String(item) : `${nouns.item} ${row + 1}`)),
  };
}

/** The elements of the section. */
function rankingSection(data, examples) {
  const { nouns } = data;
  const select = make("select", { id: "query" });
  select.append(
    ...examples.map(({ id, features }, place) =>
      make("option", { value: place, text: `${id} (${features.length} ${nouns.items})` }),
    ),
  );
  const text = make("textarea", { id: "own-query", spellcheck: "false" });
  const file = make("input", { type: "file", id: "query-file", accept: ".csv,.tsv,.json,.txt" });
  const read = make("button", { type: "button", text: "Rank it" });
  const all = make("input", { type: "checkbox" });
  const says = make("p", { class: "note", role: "alert" });
  const rows = make("tbody");
  const pinned = make("th", { scope: "col", class: "n", text: "at pinned", hidden: true });
  const heads = [
    ["rank", "n"],
    [nouns.item, ""],
    ["score", "n"],
    ["at base", "n"],
  ].map(([name, kind]) => make("th", { scope: "col", class: kind || null, text: name }));
  const table = make(
    "div",
    { class: "scroll", role: "region", "aria-labelledby": "live-heading", tabindex: 0, hidden: true },
    make("table", {}, make("thead", {}, make("tr", {}, ...heads, pinned)), rows),
  );
  const own = make(
    "details",
    {},
    make("summary", { text: `A ${nouns.list} of your own` }),
    make("p", {
      class: "soft",
      text: `Rows of numbers, one for each ${nouns.item}: CSV or TSV, with the names of the features in the first line or in the order of the run, or JSON.`,
    }),
    make("p", {}, make("label", { for: "query-file", text: "File " }), file),
    make("p", {}, make("label", { for: "own-query", text: "Rows" }), text),
    make("p", {}, read),
  );
  const choose = make("p", { class: "pick" }, make("label", { for: "query", text: `Example ${nouns.list} ` }), select);
  if (!examples.length) choose.hidden = true;
  at("live").replaceChildren(
    make(
      "section",
      { "aria-labelledby": "live-heading" },
      make("h2", { id: "live-heading", text: `The same ${nouns.list}, ranked` }),
      choose,
      own,
      says,
      table,
      make("p", { class: "soft" }, make("label", {}, all, ` all ${nouns.items}`)),
    ),
  );
  return { select, text, file, read, all, says, rows, pinned, table };
}
