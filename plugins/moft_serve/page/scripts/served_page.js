/** The page of a server: it takes the data of a run from there, and asks it while the user steers. */

import { Connection, Refusal } from "./connection.js";
import { at, make, setText } from "./dom.js";
import { rankingView } from "./ranking_view.js";
import { start } from "./start.js";
import { textView } from "./text_view.js";

const GONE =
  "The server does not answer. What is expected still follows the sliders; live answers go on when the server is back.";

const gone = make("p", { class: "note", role: "alert", id: "gone" });
const token = make("input", { type: "password", id: "token", autocomplete: "off" });
const enter = make(
  "form",
  { id: "token-form", hidden: true },
  make("label", { for: "token", text: "This server wants a token " }),
  token,
  " ",
  make("button", { type: "submit", text: "Enter" }),
);
const refused = make("p", { class: "note", role: "alert" });
at("before").append(gone, enter, refused);

let isStarted = false;
const connection = new Connection(({ isGone, wantsToken }) => {
  setText(gone, isGone ? GONE : "");
  enter.hidden = !wantsToken;
  if (wantsToken) token.focus();
  if (!isGone && !wantsToken) (isStarted ? connection.back : begin)?.();
});

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  connection.token = token.value.trim();
});

/** Loads the run that the address names, or the first one. */
async function begin() {
  if (isStarted) return;
  try {
    const wanted = new URLSearchParams(location.search).get("model");
    const names = (await (await connection.ask("v1/models")).json()).data.map(({ id }) => id);
    const name = names.includes(wanted) ? wanted : names[0];
    const data = await (await connection.ask(`v1/models/${encodeURIComponent(name)}/steering`)).json();
    if (isStarted) return;
    isStarted = true;
    setText(refused, "");
    if (names.length > 1) pickRun(names, name);
    const store = start({ ...data, name, model: name, origin: location.origin });
    connection.back = async () => {
      const examples = await (await connection.ask(`v1/models/${encodeURIComponent(name)}/examples`)).json();
      store.add((data.isText ? textView : rankingView)(connection, examples)(store)); // which has a way back of its own
      store.ask();
    };
    await connection.back();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (!connection.isGone) setText(refused, error.message);
  }
}

/** A choice between the runs that are served. */
function pickRun(names, name) {
  const select = make("select", { id: "run" });
  select.append(...names.map((each) => make("option", { value: each, text: each })));
  select.value = name;
  select.addEventListener("change", () => {
    location.assign(`?model=${encodeURIComponent(select.value)}`);
  });
  at("before").append(make("p", { class: "pick" }, make("label", { for: "run", text: "Run " }), select));
}

begin();
