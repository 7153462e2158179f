// The line between tree and detail, to be dragged or moved by the arrow keys. Its place is remembered.
import { remember } from "./app.js";

const LEAST = 25;
const MOST = 80;

export function splitter(line) {
  const box = line.parentElement;
  const root = document.documentElement;
  const now = () => Number.parseFloat(getComputedStyle(root).getPropertyValue("--split"));

  function set(percent) {
    const value = Math.min(Math.max(percent, LEAST), MOST);
    root.style.setProperty("--split", `${value.toFixed(1)}%`);
    line.setAttribute("aria-valuenow", Math.round(value));
    remember("split", value.toFixed(1));
  }

  line.setAttribute("aria-valuenow", Math.round(now()));
  line.addEventListener("pointerdown", (event) => {
    line.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  line.addEventListener("pointermove", (event) => {
    if (!line.hasPointerCapture(event.pointerId)) return;
    const { left, width } = box.getBoundingClientRect();
    set(((event.clientX - left) / width) * 100);
  });
  line.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (!by) return;
    set(now() + by);
    event.preventDefault();
  });
}
