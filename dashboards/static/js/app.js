// What every page does: forms that submit themselves, copying, keys, theme, times.
import { freshen } from "./times.js";

const said = document.getElementById("said");
let silence;

export function say(text) {
  said.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => (said.textContent = ""), 4000);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // outside https and localhost there is no clipboard API
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) return say("The browser did not allow copying");
  }
  say(`${what} copied`);
}

export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`tracekit.${name}`);
    else localStorage.setItem(`tracekit.${name}`, value);
  } catch {
    // storage may be forbidden: then nothing is remembered
  }
}

/** What was remembered, or nothing. */
export function remembered(name) {
  try {
    return localStorage.getItem(`tracekit.${name}`) ?? "";
  } catch {
    return "";
  }
}

/** What was noted for this tab, or nothing. */
export function recall(name) {
  try {
    return sessionStorage.getItem(`tracekit.${name}`) ?? "";
  } catch {
    return "";
  }
}

export function note(name, value) {
  try {
    sessionStorage.setItem(`tracekit.${name}`, value);
  } catch {
    // as above
  }
}

const handlers = new Map();

/** Single keys for the whole page, where no field is being typed into. */
export function keys(map) {
  for (const [key, handler] of Object.entries(map)) handlers.set(key, handler);
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input, select, textarea, dialog");
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || field) return;
  const handler = handlers.get(event.key);
  if (handler && handler(event) !== false) event.preventDefault();
});

const dialog = document.getElementById("keys");
keys({
  "?": () => dialog.showModal(),
  "/": () => document.querySelector("main input[type=search]")?.focus(),
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches("input[type=search]")) event.target.blur();
});

async function copyJson(address) {
  const response = await fetch(address);
  if (!response.ok) return say("It could not be read");
  await copy(await response.text(), "JSON");
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button, [title]");
  if (!target) return;
  if ("keys" in target.dataset) dialog.showModal();
  else if ("copyJson" in target.dataset) copyJson(target.dataset.copyJson);
  else if ("copyValue" in target.dataset) copy(target.closest("tr").querySelector(".text").textContent, "Value");
  else if ("unfold" in target.dataset) unfold(target);
  else if ("themeSwitch" in target.dataset) nextTheme();
  else if (!target.matches("a, button, time") && matchMedia("(hover: none)").matches) say(target.title);
});

function unfold(button) {
  const open = button.previousElementSibling.classList.toggle("open");
  button.setAttribute("aria-expanded", open);
  button.textContent = open ? "Show less" : "Show all";
}

const THEMES = { System: "light", light: "dark", dark: "System" };

function nextTheme() {
  const next = THEMES[document.documentElement.dataset.theme ?? "System"];
  if (next === "System") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  remember("theme", next === "System" ? null : next);
  nameTheme();
}

function nameTheme() {
  const theme = document.documentElement.dataset.theme ?? "System";
  const button = document.querySelector("[data-theme-switch]");
  button.querySelector("[data-theme-name]").textContent = theme[0].toUpperCase() + theme.slice(1);
  button.title = theme === "System" ? "Theme: as the system has it" : `Theme: ${theme}`;
}

for (const form of document.querySelectorAll("form[data-filters]")) {
  form.addEventListener("change", (event) => {
    if (event.target.name === "range" && event.target.value) for (const name of ["from", "to"]) form.elements[name]?.remove();
    if (event.target.matches("select")) form.requestSubmit();
  });
  // an address without what is not asked for
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) {
      if (value === "" || (name === "range" && value === "24h")) event.formData.delete(name);
    }
  });
}

for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;
nameTheme();
freshen();
setInterval(freshen, 10_000, document);
document.body.addEventListener("htmx:afterSwap", (event) => freshen(event.target));
