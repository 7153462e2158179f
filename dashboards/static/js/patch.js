// Brings what is shown to what the server says now, in place: what the reader has opened, focused or selected stays.

/** Said by the reader or by a script, not by the server. */
const OURS = new Set(["open", "aria-busy"]);

/** `html` is a fragment that the server rendered and escaped. Parsed so, no script of it can run. */
export function patch(target, html) {
  patchChildren(target, new DOMParser().parseFromString(`<div>${html}</div>`, "text/html").body.firstChild);
}

// Nothing that stays is moved where that can be helped: it would lose the focus.
function patchChildren(known, fresh) {
  const ids = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  for (const child of [...known.children]) if (child.id && !ids.has(child.id)) child.remove();
  let at = known.firstChild;
  const drop = () => {
    const next = at.nextSibling;
    at.remove();
    at = next;
  };
  for (const node of [...fresh.childNodes]) {
    while (at && isBlank(at) && node.nodeType !== Node.TEXT_NODE) drop();
    const same = node.id ? [...known.children].find((child) => child.id === node.id) : at && isSame(at, node) ? at : null;
    while (same && at && at !== same && !at.id) drop();
    if (!same || same.nodeName !== node.nodeName) {
      known.insertBefore(document.importNode(node, true), at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else known.insertBefore(same, at);
    patchNode(same, node);
  }
  while (at) drop();
}

function isBlank(node) {
  return node.nodeType === Node.TEXT_NODE && !node.data.trim();
}

function isSame(known, fresh) {
  return known.nodeType === fresh.nodeType && known.nodeName === fresh.nodeName && (known.id ?? "") === (fresh.id ?? "");
}

function patchNode(known, fresh) {
  if (known.nodeType !== Node.ELEMENT_NODE) {
    if (known.data !== fresh.data) known.data = fresh.data;
    return;
  }
  if ("keep" in known.dataset) return;
  for (const { name } of [...known.attributes]) if (!fresh.hasAttribute(name) && !OURS.has(name)) known.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  patchChildren(known, fresh);
}
