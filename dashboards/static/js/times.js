// Relative times that stay true, and exact ones in the reader's own zone. Same steps as dashboards/format.py: age().

const STEPS = [[60, 1, "s"], [3600, 60, "m"], [86400, 3600, "h"], [30 * 86400, 86400, "d"]];
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const exact = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" });
const minute = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export function age(then, now) {
  const seconds = Math.floor((now - then) / 1000);
  if (seconds < 5) return seconds > -60 ? "now" : day.format(then);
  for (const [limit, size, name] of STEPS) if (seconds < limit) return `${Math.floor(seconds / size)} ${name}`;
  return day.format(then);
}

function zoneName(moment) {
  return zone.formatToParts(moment).find((part) => part.type === "timeZoneName").value;
}

export function freshen(within = document) {
  const now = Date.now();
  for (const time of within.querySelectorAll("time[datetime]")) {
    const then = new Date(time.dateTime);
    if (Number.isNaN(then.getTime())) continue;
    const milliseconds = String(then.getMilliseconds()).padStart(3, "0");
    time.title = `${exact.format(then)}.${milliseconds} ${zoneName(then)}`;
    if ("minute" in time.dataset) time.textContent = minute.format(then).replace(",", "");
    if ("age" in time.dataset) time.textContent = age(then, now);
  }
}
