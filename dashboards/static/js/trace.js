// A trace's page: the tree chooses, the detail shows, the address says which span it is.
import { copy, keys, recall } from "./app.js";
import { Grid } from "./grid.js";
import { splitter } from "./split.js";
import { ORPHAN, Tree } from "./tree.js";

const SETTLE_MS = 60; // while keys repeat, only where they stop is fetched
const POLL_MS = 2000;
const MAX_POLL_MS = 30_000;

const main = document.querySelector("main");
const { base } = main.dataset;
const detail = document.getElementById("detail");
const element = document.getElementById("grid");
const find = document.getElementById("find");
const found = document.getElementById("found");
const nextError = document.getElementById("next-error");
const fold = document.getElementById("fold");
const toggleAll = document.getElementById("toggle-all");
const narrow = matchMedia("(max-width: 720px)");

let tree;
let grid;
let version;

// What is chosen, and its detail

let settling;

function show(id) {
  clearTimeout(settling);
  if (detail.querySelector("article")?.dataset.shown === id) return;
  settling = setTimeout(() => htmx.ajax("GET", `${base}/spans/${id}`, { source: "#detail", target: "#detail", swap: "innerHTML" }), SETTLE_MS);
}

function reading(on) {
  main.classList.toggle("reading", on);
}

function chosen(id, how) {
  const address = `${location.pathname}?span=${id}`;
  if (how === "open" && narrow.matches) {
    history.pushState({ reading: true }, "", address);
    reading(true);
  } else {
    history.replaceState(history.state, "", address);
    if (how === "open") detail.focus({ preventScroll: true });
  }
  show(id);
}

/** From the detail to the tree, from the tree to the list. */
function back() {
  if (main.classList.contains("reading")) {
    if (history.state?.reading) history.back();
    else reading(false);
  } else if (detail.contains(document.activeElement)) {
    element.focus({ preventScroll: true });
  } else if (document.referrer && new URL(document.referrer).pathname === main.dataset.list) {
    history.back();
  } else {
    location.href = main.dataset.list + recall("list");
  }
}

addEventListener("popstate", () => {
  reading(Boolean(history.state?.reading));
  const id = new URLSearchParams(location.search).get("span");
  if (id && grid?.choose(id, { tell: false })) show(id);
});

// The parts of a detail that were opened once are open in the next one too.
const opened = new Set();
detail.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.dataset.remember) opened[target.open ? "add" : "delete"](target.dataset.remember);
  },
  true,
);
document.body.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target !== detail) return;
  detail.scrollTop = 0;
  for (const part of detail.querySelectorAll("details[data-remember]")) part.open = opened.has(part.dataset.remember);
});

detail.addEventListener("input", ({ target }) => {
  if (!("sift" in target.dataset)) return;
  const wanted = target.value.trim().toLowerCase();
  for (const row of target.parentElement.querySelectorAll(".values tr")) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
});

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-back]")) back();
  if (target.closest("[data-copy-link]")) copy(`${location.origin}${base}${grid?.chosen ? `?span=${grid.chosen}` : ""}`, "Link");
});

// Tools above the tree

let matches = [];

function search() {
  matches = tree.find(find.value);
  grid.matches = new Set(matches);
  found.textContent = find.value.trim() ? `${matches.length} found` : "";
  grid.layout();
}

function nextOf(rows, by = 1) {
  if (!rows.length) return;
  const at = tree.index.get(grid.chosen) ?? -1;
  const after = by > 0 ? rows.find((i) => i > at) ?? rows[0] : rows.findLast((i) => i < at) ?? rows.at(-1);
  grid.choose(tree.columns.ids[after], { middle: true });
  tools();
}

function tools() {
  const errors = tree.errors.length;
  nextError.hidden = !errors;
  nextError.textContent = errors === 1 ? "1 error" : `${errors.toLocaleString("en")} errors`;
  nextError.title = "Go to the next error  e";
  document.getElementById("rootless").hidden = !tree.columns.flags.some((flags) => flags & ORPHAN);
  fold.hidden = !tree.infrastructure;
  fold.textContent = `${tree.folding ? "Show" : "Fold"} ${tree.infrastructure.toLocaleString("en")} infrastructure`;
  toggleAll.hidden = tree.columns.size.every((size) => size === 1);
  toggleAll.textContent = tree.closed.size ? "Open all" : "Close all";
}

find.addEventListener("input", search);
find.addEventListener("keydown", (event) => {
  if (event.key === "Enter") nextOf(matches, event.shiftKey ? -1 : 1);
  if (event.key === "Escape") {
    find.value = "";
    search();
    element.focus({ preventScroll: true });
  }
});
nextError.addEventListener("click", () => nextOf(tree.errors));
fold.addEventListener("click", () => {
  tree.folding = !tree.folding;
  grid.layout();
  tools();
});
toggleAll.addEventListener("click", () => {
  if (tree.closed.size) tree.closed.clear();
  else tree.closeAll();
  grid.layout();
  if (grid.chosen && grid.at < 0) grid.choose(tree.columns.ids[0]);
  tools();
});

keys({
  j: () => grid.move(1),
  k: () => grid.move(-1),
  ArrowDown: () => (detail.contains(document.activeElement) ? false : grid.move(1)),
  ArrowUp: () => (detail.contains(document.activeElement) ? false : grid.move(-1)),
  ArrowRight: () => grid.inward(),
  ArrowLeft: () => grid.outward(),
  Enter: ({ target }) => (target.closest("a, button, summary") ? false : chosen(grid.chosen, "open")),
  e: () => nextOf(tree.errors),
  "[": () => document.getElementById("newer-trace")?.click(),
  "]": () => document.getElementById("older-trace")?.click(),
  Escape: back,
});

// The tree itself, once and while it grows

async function load() {
  const headers = version ? { "If-None-Match": version } : {};
  const response = await fetch(`${base}/tree.json`, { headers });
  if (!response.ok) return null;
  version = response.headers.get("etag");
  return response.json();
}

async function follow(wait) {
  await new Promise((done) => setTimeout(done, wait));
  let changed = false;
  if (document.visibilityState === "visible") {
    const columns = await load().catch(() => null);
    changed = columns !== null;
    if (changed) grow(columns);
  }
  follow(changed ? POLL_MS : Math.min(wait * 1.25, MAX_POLL_MS));
}

function grow(columns) {
  tree.replace(columns);
  grid.axis();
  search();
  tools();
  if (!grid.chosen && tree.length) grid.choose(tree.columns.ids[0]);
  htmx.ajax("GET", `${base}/head`, { target: "#trace-head", swap: "innerHTML" });
}

const columns = await load();
if (columns) {
  tree = new Tree(columns);
  grid = new Grid(element, tree, chosen);
  if (main.dataset.span && !grid.choose(main.dataset.span, { tell: false, middle: true })) found.textContent = "That span is not here";
  tools();
  reading(main.dataset.linked === "true");
  if (!narrow.matches) element.focus({ preventScroll: true });
  main.dataset.ready = "true";
  performance.mark("tracekit:ready");
  if (columns.live) follow(POLL_MS);
}
splitter(document.querySelector(".splitter"));
