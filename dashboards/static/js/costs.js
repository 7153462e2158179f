// Cost over time: bars stacked by model. Drag over a time to look at it alone.
import "./app.js";
import { freshen } from "./times.js";

const figure = document.getElementById("plot");
const HUES = ["--k-llm", "--k-retriever", "--k-tool", "--k-agent", "--k-embedding", "--k-chain"];

/** light-dark() as the colour that it is now, for a canvas. */
function resolved(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  figure.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function dollars(value) {
  if (value === 0) return "$0";
  return `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: Math.max(2, 1 - Math.floor(Math.log10(value))) })}`;
}

/** Sums of each series and all smaller ones: drawn one over the other, from the largest, they are a stack. */
function stacked(series) {
  return series.map((_, i) => series[i].values.map((_, x) => series.slice(i).reduce((sum, { values }) => sum + values[x], 0)));
}

function draw(data) {
  figure.replaceChildren();
  if (!data.series.length) return;
  const bars = uPlot.paths.bars({ size: [0.8, 48], align: 1 });
  const series = data.series.map(({ label }, i) => ({
    label,
    fill: resolved(HUES[i % HUES.length]),
    width: 0,
    paths: bars,
    points: { show: false },
    value: (_, __, ___, x) => (x === null ? "" : dollars(data.series[i].values[x])),
  }));
  const width = data.step === "day" ? 86400 : 3600;
  const axis = { stroke: resolved("--quiet"), font: "12px system-ui", grid: { show: false }, ticks: { show: false } };
  const times = { ...axis, space: 64, size: 28, values: (_, ticks) => ticks.map((at) => tick(at, data.step)) };
  const amounts = { ...axis, size: 72, values: (_, ticks) => ticks.map(dollars), grid: { stroke: resolved("--line"), width: 1 } };
  const options = {
    width: figure.clientWidth - 32 || 300,
    height: 192,
    legend: { live: true },
    cursor: { points: { show: false }, y: false, drag: { x: true, y: false, setScale: false } },
    scales: { x: { range: (_, low, high) => [low, high + width] }, y: { range: (_, __, high) => [0, high * 1.05 || 1] } },
    axes: [times, amounts],
    series: [{ label: data.step === "day" ? "Day" : "Hour", value: (_, x) => (x === null ? "" : moment(x, data.step)) }, ...series],
    hooks: { setSelect: [(plot) => zoom(plot)] },
  };
  new uPlot(options, [data.x, ...stacked(data.series)], figure);
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** Days are the server's, in UTC; hours are the reader's own. */
function moment(seconds, step) {
  const at = new Date(seconds * 1000);
  return step === "day" ? DAY.format(at) : `${DATE.format(at)} ${CLOCK.format(at)}`;
}

function tick(seconds, step) {
  const at = new Date(seconds * 1000);
  if (step === "day") return DAY.format(at);
  return at.getHours() || at.getMinutes() ? CLOCK.format(at) : DATE.format(at);
}

function zoom(plot) {
  if (plot.select.width < 4) return;
  const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) => plot.posToVal(x, "x"));
  const address = new URL(location.href);
  address.searchParams.delete("range");
  address.searchParams.set("from", new Date(from * 1000).toISOString());
  address.searchParams.set("to", new Date(to * 1000).toISOString());
  location.href = address;
}

const response = await fetch(figure.dataset.source);
if (response.ok) {
  const data = await response.json();
  draw(data);
  new ResizeObserver(([entry]) => entry.contentRect.width && requestAnimationFrame(() => draw(data))).observe(figure);
  // a canvas does not follow the page's colours by itself
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(data));
  new MutationObserver(() => draw(data)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
freshen();
