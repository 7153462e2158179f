// Traces to judge, one after the other: reserved by the API, shown by the server, judged by keys.
import { keys, remember, remembered, say } from "./app.js";
import { call, counted, sentence } from "./api.js";
import { patch } from "./patch.js";
import { freshen } from "./times.js";

const REVIEWS = "/api/v1/reviews";
const MOST_COUNTED = 1000;
const EXTEND_MS = 4 * 60_000;

const main = document.querySelector("main");
const { name, scale, project, filter, from, to, each } = main.dataset;
const [place, judge, fault, done, left] = ["trace", "judge", "fault", "done", "left"].map((id) => document.getElementById(id));
const reviewer = document.getElementById("reviewer");
const setup = main.querySelector(".setup");
const explanation = judge.elements.explanation;
const choices = [...judge.querySelectorAll("[data-score]")];

let trace = null;
let chosen = null;

const who = () => reviewer.value.trim();

function failed(detail) {
  fault.textContent = sentence(detail);
  fault.hidden = false;
}

/** True where it went well; else the fault is told. */
function went(answer) {
  if (!answer.ok) failed(answer.errors.length ? answer.errors.map((one) => `${one.pointer.slice(1)}: ${one.detail}`).join(". ") : answer.detail);
  return answer.ok;
}

function choose(score) {
  chosen = score;
  for (const one of choices) one.ariaPressed = String(one.dataset.score === score);
}

/** One thing at a time: a key that is held down does not save twice. */
async function alone(work) {
  if (judge.ariaBusy === "true") return;
  judge.ariaBusy = "true";
  fault.hidden = true;
  try {
    await work();
  } finally {
    judge.ariaBusy = "false";
  }
}

function reserve() {
  const asked = { name, reviewer: who(), project, filter, from, to, each_reviewer: each === "true" };
  return call("POST", `${REVIEWS}/next`, asked);
}

function count(number) {
  left.textContent = number >= MOST_COUNTED ? `${counted(MOST_COUNTED, "trace")} or more left` : `${counted(number, "trace")} left`;
}

async function next() {
  const answer = await reserve();
  if (!went(answer)) return;
  count(answer.body.left);
  trace = null;
  choose(null);
  explanation.value = "";
  const found = answer.body.trace_id;
  done.hidden = found !== null;
  place.hidden = judge.hidden = true;
  if (found !== null) await show(found);
}

async function show(found) {
  const address = `${document.body.dataset.root}/review/traces/${found}`;
  const response = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok) return failed("The trace could not be read: load the page again.");
  patch(place, await response.text());
  freshen(place);
  trace = found;
  place.dataset.trace = found;
  place.hidden = judge.hidden = false;
  scrollTo(0, 0);
  if (document.activeElement === explanation) explanation.blur();
}

async function save() {
  if (trace === null) return;
  if (chosen === null) return failed("Give a score first");
  const said = {
    name,
    target: { trace_id: trace },
    annotator_kind: "human",
    identifier: who(),
    score: scale === "5" ? Number(chosen) : chosen === "y",
  };
  if (explanation.value.trim()) said.explanation = explanation.value.trim();
  if (!went(await call("POST", "/api/v1/annotations", said))) return;
  say("Saved");
  await next();
}

async function skip() {
  if (trace === null) return;
  if (went(await call("POST", `${REVIEWS}/skip`, { trace_id: trace, name, reviewer: who() }))) await next();
}

/** While the trace is open it stays reserved. */
async function extend() {
  if (trace === null || document.hidden || judge.ariaBusy === "true") return;
  const asked = trace;
  const answer = await reserve();
  if (trace !== asked || !answer.ok) return;
  if (answer.body.trace_id === asked) count(answer.body.left);
  else failed("This trace is not reserved for you any more: somebody else may be judging it.");
}

const scores = scale === "5" ? ["1", "2", "3", "4", "5"] : ["y", "n"];
keys({
  ...Object.fromEntries(scores.map((score) => [score, () => trace !== null && choose(score)])),
  e: () => explanation.focus(),
  s: () => alone(skip),
  Enter: (event) => (event.target.closest("a, button, summary") ? false : alone(save)),
  Escape: () => (location.href = main.dataset.list),
});
explanation.addEventListener("keydown", (event) => {
  if (event.key === "Escape") explanation.blur();
  else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) alone(save);
  else return;
  event.preventDefault();
  event.stopPropagation();
});
judge.addEventListener("submit", (event) => {
  event.preventDefault();
  alone(save);
});
for (const one of choices) one.addEventListener("click", () => {
  choose(one.dataset.score);
  one.blur();
});
judge.querySelector("[data-skip]").addEventListener("click", () => alone(skip));
main.querySelector("[data-again]").addEventListener("click", () => alone(next));
setup.querySelector("form").addEventListener("submit", () => remember("reviewer", who()));
setup.querySelector("form").addEventListener("formdata", (event) => {
  for (const [field, value] of [...event.formData]) if (value === "") event.formData.delete(field);
});

reviewer.value ||= remembered("reviewer"); // somebody may have typed before this ran
if (name && who()) alone(next);
else {
  setup.open = true;
  if (name) reviewer.focus();
}
setInterval(extend, EXTEND_MS);
