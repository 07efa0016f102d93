/** The page as a file: its data stand in it. */

import { at } from "./dom.js";
import { start } from "./start.js";

start(JSON.parse(at("data").textContent));
