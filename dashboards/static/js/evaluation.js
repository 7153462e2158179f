// Rules, experiments and datasets: what is shown stays true; a rule is paused, resumed, and tried again.
import { keys, say } from "./app.js";
import { call, counted } from "./api.js";
import { watch } from "./live.js";

const main = document.querySelector("main");
const live = document.getElementById("live");
const stale = document.getElementById("stale");
const fault = document.getElementById("fault");

const refresh = watch(live, stale, "This was removed");
watch(document.getElementById("scores"), stale, "This was removed");

const ACTS = {
  state: ["PATCH", ({ state }) => ({ state }), (_, { state }) => (state === "paused" ? "Paused: what is stored meanwhile is not scored" : "Resumed")],
  retry: ["POST", () => ({ states: ["failed"] }), ({ targets }) => `${counted(targets, "target")} ${targets === 1 ? "waits" : "wait"} again`],
};

async function act(button) {
  if (button.ariaBusy === "true") return;
  const said = { ...button.dataset };
  const [method, content, words] = ACTS[said.do];
  button.ariaBusy = "true";
  const answer = await call(method, said.to, content(said));
  button.ariaBusy = "false";
  fault.hidden = answer.ok;
  fault.textContent = answer.detail;
  if (answer.ok) say(words(answer.body, said));
  refresh();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) act(button);
});

function step(by) {
  const all = [...document.querySelectorAll("main .title")];
  const at = all.indexOf(document.activeElement);
  all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

const press = (id) => () => document.getElementById(id)?.click();
const moves = { j: () => step(1), k: () => step(-1) };

if ("one" in main.dataset) {
  keys({ ...moves, p: press("do-state"), r: press("do-retry"), Escape: () => (location.href = main.dataset.list) });
} else {
  keys(moves);
}
