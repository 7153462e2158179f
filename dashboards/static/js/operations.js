// Destinations: what is shown stays true, and what is to be done about them.
import { keys, note, recall, say } from "./app.js";
import { call, counted, sentence } from "./api.js";
import { asked, open, whenSubmitted } from "./forms.js";
import { watch } from "./live.js";

const main = document.querySelector("main");
const live = document.getElementById("live");
const stale = document.getElementById("stale");
const fault = document.getElementById("fault");

const refresh = watch(live, stale, "This destination was removed");

// What is done

const METHODS = { state: "PATCH", remove: "DELETE" };

function content({ do: what, state, id }) {
  if (what === "remove") return undefined;
  if (what === "state") return { state };
  return id ? { id: Number(id) } : {};
}

const DONE = {
  state: (_, { state }) => say(state === "paused" ? "Paused: what is stored meanwhile waits" : "Resumed: what waits is sent first"),
  retry: ({ items }) => say(`${counted(items, "item")} ${items === 1 ? "waits" : "wait"} again`),
  drop: ({ items }) => say(`${counted(items, "item")} dropped`),
  remove() {
    note("told", `${main.dataset.one} was removed`);
    location.href = main.dataset.list;
  },
  test({ ok, detail }) {
    const answer = document.getElementById("answer");
    answer.textContent = ok ? `It answers: ${detail}` : `It cannot be used now: ${detail}`;
    answer.classList.toggle("failed", !ok);
    answer.hidden = false;
  },
};

async function act(button) {
  const said = { ...button.dataset };
  if (button.ariaBusy === "true") return;
  if (said.ask && !(await asked(said))) return;
  const place = neighbour(button);
  button.ariaBusy = "true";
  const answer = await call(METHODS[said.do] ?? "POST", said.to, content(said));
  button.ariaBusy = "false";
  fault.hidden = answer.ok;
  fault.textContent = answer.ok ? "" : sentence(answer.detail);
  if (answer.ok) DONE[said.do](answer.body, said);
  if (said.do === "remove" && answer.ok) return;
  live.addEventListener("htmx:beforeSwap", () => requestAnimationFrame(() => button.isConnected || place()), { once: true });
  refresh();
}

/** Where the focus goes when the button has gone with its row: to the row that took its place, or the heading. */
function neighbour(button) {
  const row = button.closest("tr");
  const id = (row?.nextElementSibling ?? row?.previousElementSibling)?.id;
  return () => {
    if (document.activeElement !== document.body) return;
    const next = id && document.getElementById(id)?.querySelector("button");
    (next || document.querySelector("#live button, #live a, main .bar button, main .bar a"))?.focus();
  };
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("do" in button.dataset) act(button);
  else if ("open" in button.dataset) open(button.dataset.open);
  else if ("close" in button.dataset) button.closest("dialog").close();
});
whenSubmitted(refresh);

// Keys

function step(by) {
  const all = [...document.querySelectorAll("#destinations .title")];
  const at = all.indexOf(document.activeElement);
  all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

const press = (id) => () => document.getElementById(id)?.click();

if ("one" in main.dataset) {
  keys({ p: press("do-state"), t: press("do-test"), r: press("do-replay"), Escape: () => (location.href = main.dataset.list) });
} else {
  keys({ j: () => step(1), k: () => step(-1), a: () => open("add") });
}

const told = recall("told");
if (told) {
  note("told", "");
  say(told);
}
