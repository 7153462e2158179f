// A part of a page that stays true: asked for again every few seconds, while somebody looks.
import { patch } from "./patch.js";
import { freshen } from "./times.js";

const REASONS = { 401: "Not live: you are not signed in any more, load the page again" };

// `stale` is told why what is shown may no longer hold, `gone` is what to say once it is not there any more. Returns
// what asks at once.
export function watch(live, stale, gone) {
  const refresh = () => live && htmx.trigger(live, "refresh");
  if (!live) return refresh;
  live.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });
  live.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    event.detail.shouldSwap = false;
    if (xhr.status === 200) {
      patch(live, xhr.responseText);
      freshen(live);
    }
    const reasons = { ...REASONS, 200: "", 404: gone };
    stale.textContent = reasons[xhr.status] ?? "Not live: the collector cannot read its store now";
  });
  live.addEventListener("htmx:sendError", () => (stale.textContent = "Not live: the collector does not answer"));
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  return refresh;
}
