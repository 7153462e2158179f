// The tree and its waterfall as one treegrid. Only the rows in sight exist: as many elements as fit, filled anew for
// wherever the window is scrolled to. The window itself sticks, so scrolling never shows a place without rows.
import { DUPLICATE, ERROR, ERROR_BELOW, INFRASTRUCTURE, ORPHAN } from "./tree.js";

const MAX_INDENT = 16;
const INDENT = 14;

function make(tag, name, parent) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  parent?.append(element);
  return element;
}

function icon(name, parent) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", name);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.append(use);
  parent.append(svg);
  return [svg, use];
}

/** One row's elements, made once and filled for many spans. */
class Line {
  constructor() {
    this.at = -1;
    this.element = make("div", "g-row");
    this.element.setAttribute("role", "row");
    const name = make("span", "g-name", this.element);
    this.indent = make("span", "g-indent", name);
    this.twist = make("span", "g-twist", name);
    [, this.kind] = icon("g-kind", name);
    this.label = make("bdi", "g-label", name);
    this.model = make("span", "g-model", name);
    [this.fault] = icon("g-fault", name);
    this.fault.firstChild.setAttribute("href", "#i-error");
    this.time = make("span", "g-time", this.element);
    this.bar = make("span", "g-bar", this.time);
    this.first = make("span", "g-first", this.bar);
    this.numbers = ["", " g-tokens", " g-cost"].map((more) => make("span", `g-number${more}`, this.element));
    name.setAttribute("role", "rowheader");
    for (const cell of [this.time, ...this.numbers]) cell.setAttribute("role", "gridcell");
  }

  fill(at, index, row, state) {
    this.at = at;
    this.index = index;
    const { element } = this;
    element.id = `s-${row.id}`;
    element.className = ["g-row", `k-${row.kind}`, ...marks(row.flags), state.match ? "match" : ""].join(" ");
    element.setAttribute("aria-level", row.depth + 1);
    element.setAttribute("aria-rowindex", at + 2);
    element.setAttribute("aria-selected", state.chosen);
    if (row.parent) element.setAttribute("aria-expanded", row.open);
    else element.removeAttribute("aria-expanded");
    this.indent.style.width = `${Math.min(row.depth, MAX_INDENT) * INDENT}px`;
    this.kind.setAttribute("href", `#k-${row.kind}`);
    this.label.textContent = row.name || "(no name)";
    this.label.title = row.flags & ORPHAN ? `${row.name}\nIts parent has not been received` : row.name;
    this.model.textContent = row.folded ? `${row.model} +${row.folded} folded` : row.model;
    this.fault.style.display = row.flags & (ERROR | ERROR_BELOW) ? "" : "none";
    [row.duration, row.tokens, row.cost].forEach((text, i) => (this.numbers[i].textContent = text));
    this.draw(row);
    this.describe(row);
  }

  draw(row) {
    this.bar.style.left = `min(${row.left}%, calc(100% - 3px))`;
    this.bar.style.width = `${row.width}%`;
    this.bar.classList.toggle("waits", row.first !== null);
    this.first.hidden = row.first === null;
    if (row.first !== null) this.first.style.left = `${row.first * 100}%`;
    while (this.time.childElementCount > 1) this.time.lastChild.remove();
    for (const [left, width] of row.critical) {
      const line = make("span", "g-critical", this.time);
      line.style.left = `min(${left}%, calc(100% - 3px))`;
      line.style.width = `${width}%`;
    }
  }

  describe(row) {
    const words = [row.kind, row.name, row.model, row.duration];
    if (row.flags & ERROR) words.push("error");
    else if (row.flags & ERROR_BELOW) words.push("error beneath");
    if (row.critical.length) words.push("on the critical path");
    this.element.setAttribute("aria-label", words.filter(Boolean).join(", "));
  }
}

function marks(flags) {
  const names = [];
  if (flags & ERROR) names.push("error");
  else if (flags & ERROR_BELOW) names.push("below");
  if (flags & INFRASTRUCTURE) names.push("infra");
  if (flags & DUPLICATE) names.push("again");
  return names;
}

export class Grid {
  rows = [];
  chosen = null; // span id
  matches = new Set();

  /** `onChoose(id, how)` is called when the reader chose a span; `how` is "open" where it is to be read now. */
  constructor(element, tree, onChoose) {
    this.element = element;
    this.tree = tree;
    this.onChoose = onChoose;
    this.head = element.querySelector(".grid-head");
    this.body = element.querySelector(".grid-body");
    this.window = make("div", "window", this.body);
    this.window.setAttribute("role", "presentation");
    this.lines = [];
    this.axis();
    this.layout();
    element.addEventListener("scroll", () => this.paint(), { passive: true });
    new ResizeObserver(() => {
      this.axis();
      this.layout();
    }).observe(element);
    element.addEventListener("click", (event) => this.click(event));
    element.addEventListener("keydown", (event) => this.key(event));
  }

  axis() {
    const axis = document.getElementById("axis");
    axis.replaceChildren();
    for (const [place, text] of this.tree.columns.ticks) {
      const tick = make("i", "", axis);
      tick.textContent = text;
      tick.style.left = `${place / 1000}%`;
      if (tick.offsetLeft + tick.offsetWidth > axis.clientWidth) tick.remove(); // a cut number would be another number
    }
  }

  /** After the tree or the window's size changed. */
  layout() {
    this.rows = this.tree.visible();
    this.element.setAttribute("aria-rowcount", this.rows.length + 1);
    this.step = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row"));
    this.height = Math.max(this.element.clientHeight - this.head.offsetHeight, 0);
    this.window.style.height = `${this.height}px`;
    this.body.style.height = `${Math.max(this.rows.length * this.step, this.height)}px`;
    const wanted = Math.min(Math.ceil(this.height / this.step) + 1, this.rows.length);
    while (this.lines.length > wanted) this.lines.pop().element.remove();
    while (this.lines.length < wanted) {
      const line = new Line();
      this.lines.push(line);
      this.window.append(line.element);
    }
    for (const line of this.lines) line.at = -1;
    this.paint();
  }

  paint() {
    const top = this.element.scrollTop;
    const count = this.lines.length;
    const first = Math.max(0, Math.min(Math.floor(top / this.step), this.rows.length - count));
    for (let at = first; at < first + count; at++) {
      const line = this.lines[at % count];
      if (line.at !== at) this.fill(line, at);
      line.element.style.transform = `translateY(${at * this.step - top}px)`;
    }
    const active = this.chosen && document.getElementById(`s-${this.chosen}`);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  fill(line, at) {
    const index = this.rows[at];
    const row = this.tree.row(index);
    line.fill(at, index, row, { chosen: row.id === this.chosen, match: this.matches.has(index) });
  }

  /** Chooses a span by its id, opening what hides it. */
  choose(id, { how = "look", tell = true, middle = false } = {}) {
    const index = this.tree.index.get(id);
    if (index === undefined) return false;
    this.chosen = id;
    if (!this.rows.includes(index)) this.tree.reveal(index);
    this.layout();
    this.scrollTo(this.rows.indexOf(index), middle);
    if (tell) this.onChoose(id, how);
    return true;
  }

  scrollTo(at, middle) {
    const top = at * this.step;
    const now = this.element.scrollTop;
    if (top >= now && top + this.step <= now + this.height) return;
    const edge = top < now ? top : top + this.step - this.height;
    this.element.scrollTop = middle ? top - this.height / 2 : edge;
    this.paint();
  }

  get at() {
    return this.rows.indexOf(this.tree.index.get(this.chosen) ?? -1);
  }

  move(by) {
    if (!this.rows.length) return;
    const at = this.at < 0 ? 0 : Math.min(Math.max(this.at + by, 0), this.rows.length - 1);
    this.choose(this.tree.columns.ids[this.rows[at]]);
  }

  toggle(index, open) {
    this.tree.toggle(index, open);
    // what was chosen inside a subtree that closes: its parent is now
    const chosen = this.tree.index.get(this.chosen);
    this.layout();
    if (chosen !== undefined && this.at < 0) this.choose(this.tree.columns.ids[index]);
  }

  click(event) {
    const element = event.target.closest(".g-row");
    if (!element) return;
    const line = this.lines.find((other) => other.element === element);
    if (event.target.closest(".g-twist") && element.hasAttribute("aria-expanded")) this.toggle(line.index);
    else this.choose(this.tree.columns.ids[line.index], { how: "open" });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.height / this.step) - 1);
    const actions = {
      ArrowDown: () => this.move(1),
      ArrowUp: () => this.move(-1),
      PageDown: () => this.move(page),
      PageUp: () => this.move(-page),
      Home: () => this.move(-this.rows.length),
      End: () => this.move(this.rows.length),
      ArrowRight: () => this.inward(),
      ArrowLeft: () => this.outward(),
      Enter: () => this.chosen && this.onChoose(this.chosen, "open"),
    };
    if (!actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  }

  inward() {
    const index = this.rows[this.at];
    if (index === undefined || !this.tree.shownChildren(index)) return;
    if (this.tree.closed.has(this.chosen)) this.toggle(index, true);
    else this.move(1);
  }

  outward() {
    const index = this.rows[this.at];
    if (index === undefined) return;
    if (this.tree.shownChildren(index) && !this.tree.closed.has(this.chosen)) this.toggle(index, false);
    else if (this.tree.parents[index] >= 0) this.choose(this.tree.columns.ids[this.tree.parents[index]]);
  }
}
