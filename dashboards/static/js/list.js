// The list of traces: keys, the histogram's brush, and rows that arrive while one looks.
import { keys, note } from "./app.js";
import { freshen } from "./times.js";

const POLL_MS = 2000;
const HEAD_MS = 5000;
const table = document.getElementById("traces");
const body = document.getElementById("rows");
const head = document.getElementById("head");
const button = document.getElementById("newer");
const empty = document.getElementById("empty");

note("list", location.search); // where Esc leads back to from a trace

// Keys

const titles = () => [...body.querySelectorAll(".row .title")];

function step(by) {
  const all = titles();
  const at = all.findIndex((title) => title === document.activeElement);
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.focus({ preventScroll: true });
  next?.closest("tr").scrollIntoView({ block: "nearest" });
}

keys({
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => (document.activeElement.matches(".row .title") ? step(-1) : false),
  l: () => document.getElementById("live").click(),
  Escape: () => document.activeElement.blur(),
});

// A row is its link, also where a cell with a title lies over it.
body.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row || event.target.closest("a") || (event.target.closest("[title]") && matchMedia("(hover: none)").matches)) return;
  row.querySelector(".title").dispatchEvent(new MouseEvent("click", event));
});

// Rows that arrive

let version = table.dataset.version;
let held = null;
let headDue = 0;
let headTimer = 0;

async function poll() {
  const following = table.dataset.follow === "true" || !body.querySelector(".row");
  if (following && document.visibilityState === "visible") {
    try {
      const response = await fetch(table.dataset.live, { headers: { "If-None-Match": `"${version}"` } });
      if (response.status === 200) {
        version = response.headers.get("etag").replaceAll('"', "");
        take(await response.text());
      }
    } catch {
      // the collector is away: the next round asks again
    }
  }
  setTimeout(poll, POLL_MS);
}

function take(html) {
  const page = document.createElement("template");
  page.innerHTML = html; // rendered and escaped by the server
  freshen(page.content);
  const rows = [...page.content.querySelectorAll(".row")];
  for (const row of rows) {
    const known = document.getElementById(row.id);
    if (known && known.dataset.version !== row.dataset.version) replace(known, row.cloneNode(true));
  }
  const fresh = rows.filter((row) => !document.getElementById(row.id));
  if (!fresh.length) return;
  held = { page: page.content, rows, fresh };
  if (scrollY > 60) {
    button.textContent = `${fresh.length}${fresh.length === rows.length ? "+" : ""} new`;
    button.hidden = false;
  } else {
    release();
  }
}

function replace(known, row) {
  const focused = known.contains(document.activeElement);
  known.replaceWith(row);
  if (focused) row.querySelector(".title").focus({ preventScroll: true });
}

function release() {
  button.hidden = true;
  if (!held) return;
  const { page, rows, fresh } = held;
  held = null;
  empty.hidden = true;
  if (fresh.length === rows.length) {
    // nothing in common with what is shown: there would be a gap between the two
    body.replaceChildren(...page.children);
    htmx.process(body);
  } else {
    let next = body.firstElementChild;
    for (const row of rows) {
      const known = document.getElementById(row.id);
      if (known) next = known.nextElementSibling;
      else body.insertBefore(row, next);
    }
  }
  for (const row of fresh) row.classList.add("arrived");
  refreshHead();
}

// At most once in HEAD_MS, and always once after the last rows that came.
function refreshHead() {
  if (headTimer) return;
  const wait = Math.max(0, headDue - Date.now());
  headTimer = setTimeout(() => {
    headTimer = 0;
    headDue = Date.now() + HEAD_MS;
    htmx.trigger(head, "refresh");
  }, wait);
}

button.addEventListener("click", () => {
  scrollTo(0, 0);
  release();
});
addEventListener("scroll", () => scrollY === 0 && release(), { passive: true });
setTimeout(poll, POLL_MS);

// The histogram: hover to read, drag to zoom

let from = null;

function place(figure, event) {
  const box = figure.querySelector("svg").getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
}

head.addEventListener("pointerdown", (event) => {
  const figure = event.target.closest(".histogram[data-from]");
  if (!figure || event.button !== 0 || !event.target.closest("svg")) return;
  from = place(figure, event);
  head.setPointerCapture(event.pointerId);
  event.preventDefault();
});

head.addEventListener("pointermove", (event) => {
  const figure = head.querySelector(".histogram");
  const under = figure?.querySelector(".under");
  if (under) under.textContent = event.target.dataset?.label ?? "";
  if (from === null) return;
  const to = place(figure, event);
  const brush = figure.querySelector(".brush");
  brush.hidden = false;
  brush.style.left = `${Math.min(from, to) * 100}%`;
  brush.style.width = `${Math.abs(to - from) * 100}%`;
});

head.addEventListener("pointerup", (event) => {
  if (from === null) return;
  const figure = head.querySelector(".histogram");
  const [low, high] = [from, place(figure, event)].sort((a, b) => a - b);
  from = null;
  figure.querySelector(".brush").hidden = true;
  if (high - low > 0.004) zoom(figure, low, high);
});

head.addEventListener("pointercancel", () => (from = null));

function zoom(figure, low, high) {
  const start = Number(figure.dataset.from);
  const length = Number(figure.dataset.to) - start;
  const address = new URL(location.href);
  for (const name of ["range", "cursor", "live"]) address.searchParams.delete(name);
  address.searchParams.set("from", new Date(start + low * length).toISOString());
  address.searchParams.set("to", new Date(start + high * length).toISOString());
  location.href = address;
}
