// The dialogs: a question before what cannot be undone, a new destination, and sending again.
import { note, say } from "./app.js";
import { call, counted, sentence } from "./api.js";

const DEFAULT_REPLAY_MS = 24 * 3_600_000;

/** Asks in words; resolves to whether it was said yes. */
export function asked({ title, ask, verb }) {
  const dialog = document.getElementById("ask");
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-text").textContent = ask;
  document.getElementById("ask-yes").textContent = verb;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

export function open(name) {
  const dialog = document.getElementById(name);
  const form = dialog.querySelector("form");
  if (name === "replay" && !form.elements.from.value) form.elements.from.value = local(Date.now() - DEFAULT_REPLAY_MS);
  clear(form);
  dialog.showModal();
}

/** As a datetime-local field has it, in the reader's zone. */
function local(moment) {
  const at = new Date(moment);
  return new Date(moment - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const time = (text) => (text ? new Date(text).toISOString() : undefined);

/** `NAME=VALUE` a line; a line that is not so is a fault of the field `name`. */
function pairs(text, name, read) {
  const found = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    if (at < 1) throw { name, detail: `write NAME=VALUE, not ${line}` };
    found[line.slice(0, at).trim()] = read(line.slice(at + 1).trim());
  }
  return found;
}

/** A number or a truth value where the text is one, as the command line has it. */
function scalar(text) {
  try {
    const found = JSON.parse(text);
    return ["number", "boolean"].includes(typeof found) ? found : text;
  } catch {
    return text;
  }
}

function destination(form) {
  const data = new FormData(form);
  const text = (name) => (data.get(name) ?? "").trim();
  const patterns = data.getAll("masking");
  const given = {
    kind: text("kind"),
    name: text("name"),
    endpoint: text("endpoint"),
    api_key: text("api_key"),
    projects: text("projects").split(",").map((one) => one.trim()).filter(Boolean),
    filter: text("filter"),
    from: time(text("from")),
    sample_rate: text("sample_rate") === "" ? undefined : Number((Number(text("sample_rate")) / 100).toPrecision(12)),
    masking: patterns.length ? { patterns } : undefined,
    headers: pairs(text("headers"), "headers", String),
    options: pairs(text("options"), "options", scalar),
  };
  // what is left empty is not said at all: so the API says that it is missing
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "" && value !== undefined));
}

const SUBMIT = {
  async add(form) {
    const given = destination(form);
    const answer = await call("POST", "/api/v1/destinations", given);
    if (answer.ok) {
      note("told", `${answer.body.name} was added. Test whether it answers.`);
      location.href = `${document.querySelector("main").dataset.list}/${encodeURIComponent(answer.body.name)}`;
    } else if (answer.status === 409) {
      answer.errors = [{ pointer: "/name", detail: answer.detail }];
    }
    return answer;
  },
  async replay(form) {
    const [from, to] = ["from", "to"].map((name) => time(form.elements[name].value));
    if (!from) throw { name: "from", detail: "say from when on" };
    const answer = await call("POST", form.dataset.to, to ? { from, to } : { from });
    if (answer.ok) {
      form.closest("dialog").close();
      say(answer.body.spans ? `${counted(answer.body.spans, "span")} will be sent again` : "Nothing was stored in this time, or all of it waits already");
    }
    return answer;
  },
};

export function whenSubmitted(then) {
  for (const form of document.querySelectorAll("form[data-form]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault(); // a form never posts: what is asked for goes to the API, as JSON
      if (form.ariaBusy === "true") return;
      form.ariaBusy = "true";
      clear(form);
      try {
        const answer = await SUBMIT[form.dataset.form](form);
        if (answer.ok) then();
        else show(form, answer);
      } catch (fault) {
        if (!fault.name || !fault.detail) throw fault;
        show(form, { errors: [{ pointer: `/${fault.name}`, detail: fault.detail }], detail: "" });
      } finally {
        form.ariaBusy = "false";
      }
    });
  }
}

function clear(form) {
  for (const place of form.querySelectorAll(".fault")) place.hidden = true;
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

/** Each fault beside its field; what has no field at the top. The first field that is at fault gets the focus. */
function show(form, { errors, detail }) {
  const rest = errors.length ? [] : [detail];
  for (const fault of errors) {
    const name = (fault.pointer ?? "").slice(1);
    const place = form.querySelector(`[id$="-${CSS.escape(name)}-fault"]`);
    if (!place) {
      rest.push(sentence(name ? `${name}: ${fault.detail}` : fault.detail));
      continue;
    }
    place.textContent = sentence(fault.detail);
    place.hidden = false;
    const folded = place.closest("details");
    if (folded) folded.open = true;
    const field = form.elements[name] instanceof RadioNodeList ? form.elements[name][0] : form.elements[name];
    field?.setAttribute("aria-invalid", "true");
  }
  if (rest.length) {
    const place = form.querySelector("[data-fault]");
    place.textContent = rest.join(" ");
    place.hidden = false;
  }
  form.querySelector("[aria-invalid]")?.focus();
}

const kind = document.getElementById("add-kind");
if (kind) {
  const hint = () => (document.getElementById("add-endpoint").placeholder = kind.selectedOptions[0].dataset.endpoint);
  kind.addEventListener("change", hint);
  hint();
}
