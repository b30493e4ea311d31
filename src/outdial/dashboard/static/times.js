/** <time datetime data-show="auto|time|date|ago">: shown in the reader's zone and language, exact on hover. */

const format = (options) => new Intl.DateTimeFormat(undefined, options);
const TIME = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = format({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const DATE = format({ year: "numeric", month: "short", day: "numeric" });
const EXACT = format({ dateStyle: "full", timeStyle: "long" });
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return AGO.format(Math.round(seconds / size), unit);
  }
  return AGO.format(Math.round(seconds), "second");
}

function text(at, show) {
  switch (show) {
    case "time": return TIME.format(at);
    case "date": return DATE.format(at);
    case "ago": return ago(at);
  }
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return TIME.format(at);
  return at.getFullYear() === now.getFullYear() ? SHORT.format(at) : `${DATE.format(at)}, ${TIME.format(at).slice(0, 5)}`;
}

export function show(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = text(at, element.dataset.show);
    if (!element.dataset.exact) {
      element.dataset.exact = "1";
      element.title = `${EXACT.format(at)}\n${element.dateTime}`;
    }
  }
}

/** Tells the server whose today to count. */
function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `outdial_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

export function setUp() {
  tellZone();
  show();
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-show="ago"]')) element.textContent = ago(new Date(element.dateTime));
  }, 10_000);
}
