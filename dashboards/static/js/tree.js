// The rows of a trace's tree (dashboards/waterfall.py: as_columns), and which of them are to be seen. No DOM.

export const ERROR = 1;
export const ERROR_BELOW = 2;
export const INFRASTRUCTURE = 4;
export const DUPLICATE = 8;
export const ORPHAN = 16;
const PARTS = 1000; // parts of the axis per percent

export class Tree {
  closed = new Set();
  folding = true;

  constructor(columns) {
    this.replace(columns);
  }

  /** Newer rows of the same trace: what was closed stays closed. */
  replace(columns) {
    this.columns = columns;
    this.length = columns.ids.length;
    this.index = new Map(columns.ids.map((id, index) => [id, index]));
    this.parents = new Int32Array(this.length).fill(-1);
    this.critical = new Map();
    const above = [];
    for (let i = 0; i < this.length; i++) {
      const depth = columns.depth[i];
      if (depth) this.parents[i] = above[depth - 1];
      above[depth] = i;
    }
    for (const [row, left, width] of columns.critical) {
      if (!this.critical.has(row)) this.critical.set(row, []);
      this.critical.get(row).push([left / PARTS, width / PARTS]);
    }
    this.infrastructure = columns.flags.filter((flags) => flags & INFRASTRUCTURE).length;
    this.errors = [];
    for (let i = 0; i < this.length; i++) if (columns.flags[i] & ERROR) this.errors.push(i);
    if (this.infrastructure === this.length) this.folding = false;
  }

  /** Indices of the rows that are neither in a closed subtree nor folded away. */
  visible() {
    const { ids, size, flags } = this.columns;
    const rows = [];
    for (let i = 0; i < this.length; ) {
      if (this.folding && flags[i] & INFRASTRUCTURE) {
        i += size[i];
        continue;
      }
      rows.push(i);
      i += this.closed.has(ids[i]) ? size[i] : 1;
    }
    return rows;
  }

  row(i) {
    const c = this.columns;
    return {
      id: c.ids[i],
      depth: c.depth[i],
      flags: c.flags[i],
      kind: c.kinds[c.kind[i]],
      name: c.names[c.name[i]],
      model: c.models[c.model[i]],
      left: c.left[i] / PARTS,
      width: c.width[i] / PARTS,
      // where in its own bar the first token came
      first: c.first[i] >= 0 && c.width[i] > 0 ? Math.min(c.first[i] / c.width[i], 1) : null,
      duration: c.duration[i],
      tokens: c.tokens[i],
      cost: c.cost[i],
      critical: this.critical.get(i) ?? [],
      open: !this.closed.has(c.ids[i]),
      parent: this.shownChildren(i) > 0,
      folded: this.foldedChildren(i),
    };
  }

  *children(i) {
    const { size } = this.columns;
    for (let child = i + 1; child < i + size[i]; child += size[child]) yield child;
  }

  foldedChildren(i) {
    if (!this.folding || !this.infrastructure) return 0;
    const { size, flags } = this.columns;
    let count = 0;
    for (const child of this.children(i)) if (flags[child] & INFRASTRUCTURE) count += size[child];
    return count;
  }

  shownChildren(i) {
    const { size } = this.columns;
    return size[i] > 1 ? size[i] - 1 - this.foldedChildren(i) : 0;
  }

  /** Opens what hides a row. */
  reveal(i) {
    if (this.columns.flags[i] & INFRASTRUCTURE) this.folding = false;
    for (let above = this.parents[i]; above >= 0; above = this.parents[above]) this.closed.delete(this.columns.ids[above]);
  }

  toggle(i, open = this.closed.has(this.columns.ids[i])) {
    if (open) this.closed.delete(this.columns.ids[i]);
    else this.closed.add(this.columns.ids[i]);
  }

  closeAll() {
    for (let i = 0; i < this.length; i++) if (this.columns.depth[i] > 0 && this.columns.size[i] > 1) this.toggle(i, false);
  }

  /** Rows whose name, model or kind contains the text. */
  find(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const c = this.columns;
    const has = (word) => word.toLowerCase().includes(wanted);
    const [names, models, kinds] = [c.names.map(has), c.models.map(has), c.kinds.map(has)];
    const rows = [];
    for (let i = 0; i < this.length; i++) if (names[c.name[i]] || models[c.model[i]] || kinds[c.kind[i]]) rows.push(i);
    return rows;
  }
}
