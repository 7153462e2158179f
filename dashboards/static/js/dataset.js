// "Add to dataset" on a trace's page: which dataset, the trace or the chosen span, and what would be right.
import { say } from "./app.js";
import { call, sentence } from "./api.js";

const DATASETS = "/api/v1/datasets";
const dialog = document.getElementById("to-dataset");
const form = dialog.querySelector("form");
const fault = form.querySelector("[data-fault]");
const { name, target, expected, text, split } = form.elements;

const chosen = () => new URLSearchParams(location.search).get("span") ?? document.querySelector("main").dataset.span;

function failed(detail) {
  fault.textContent = sentence(detail);
  fault.hidden = false;
}

async function open() {
  fault.hidden = true;
  target.options[1].disabled = !chosen();
  if (target.options[1].disabled) target.value = "trace";
  dialog.showModal();
  const known = await call("GET", DATASETS);
  if (!known.ok) return failed(known.detail);
  document.getElementById("to-dataset-names").replaceChildren(...known.body.items.map((one) => new Option(one.name)));
}

/** Made where there is none of this name. */
async function ready() {
  const known = await call("GET", DATASETS);
  if (!known.ok || known.body.items.some((one) => one.name === name.value.trim())) return known;
  return call("POST", DATASETS, { name: name.value.trim() });
}

async function add() {
  const at = `${DATASETS}/${encodeURIComponent(name.value.trim())}`;
  const dataset = await ready();
  if (!dataset.ok) return dataset;
  const trace = dialog.dataset.trace;
  const asked = {
    targets: [target.value === "span" ? `${trace}:${chosen()}` : trace],
    expected: expected.value === "output" ? "output" : null,
    note: "from a trace's page",
  };
  if (split.value.trim()) asked.split = split.value.trim();
  const made = await call("POST", `${at}/from-traces`, asked);
  if (!made.ok || expected.value !== "text" || !made.body.ids.length) return made;
  const update = [{ id: made.body.ids[0], expected: text.value }];
  const changed = await call("POST", `${at}/changes`, { update, note: "what is right, from a trace's page" });
  return changed.ok ? { ...changed, body: { ...made.body, version: changed.body.version } } : changed;
}

function told({ skipped, duplicates, version }) {
  if (skipped) return failed("There is no input that an example could be made of");
  dialog.close();
  say(duplicates ? `${name.value} has this example already` : `Added to ${name.value}: it is version ${version} now`);
}

expected.addEventListener("change", () => {
  text.hidden = expected.value !== "text";
  if (!text.hidden) text.focus();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.ariaBusy === "true") return;
  if (!name.value.trim()) return failed("Say which dataset");
  form.ariaBusy = "true";
  fault.hidden = true;
  try {
    const answer = await add();
    if (answer.ok) told(answer.body);
    else failed([answer.detail, ...answer.errors.map((one) => `${one.pointer.slice(1)}: ${one.detail}`)].join(". "));
  } finally {
    form.ariaBusy = "false";
  }
});
form.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
document.querySelector("[data-add-to-dataset]").addEventListener("click", open);
