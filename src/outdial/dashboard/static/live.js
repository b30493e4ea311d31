/**
 * Pages that stay true by themselves. <main data-live="/live/overview"> follows server-sent events:
 *
 *   event: part   {"id": "call_1", "html": "<tr id=call_1>…", "into": "rows", "place": "start"}
 *   event: gone   {"id": "call_1"}
 *
 * A part replaces the element with its id; where there is none it is put into `into`, if that is there. After a break
 * (the server was restarted, the laptop slept) the whole page is fetched again and its [data-part] elements are renewed,
 * so nothing that happened meanwhile is missing and nothing that was typed is lost.
 */
import { part } from "./api.js";
import { show as showTimes } from "./times.js";

const LOST_AFTER_MS = 2000;

function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

export function apply({ id, html, into, place }) {
  const fresh = element(html);
  const old = document.getElementById(id);
  if (old) {
    if (old.contains(document.activeElement) && old.outerHTML !== html) keepFocus(old, fresh);
    else old.replaceWith(fresh);
  } else {
    const box = into && document.getElementById(into);
    if (!box) return null;
    if (place === "order") {
      if (!putInOrder(box, fresh)) return null;
    } else box[place === "start" ? "prepend" : "append"](fresh);
    fresh.classList.add("fresh");
  }
  showTimes(fresh.parentElement ?? document);
  document.dispatchEvent(new CustomEvent("part", { detail: { id, element: fresh } }));
  return fresh;
}

/** Highest data-order first. What comes after a full page belongs to the next one; what is pushed out of it does, too. */
function putInOrder(box, fresh) {
  const next = [...box.children].find((child) => child.dataset.order < fresh.dataset.order);
  const limit = Number(box.dataset.limit);
  if (!next && (box.dataset.more === "yes" || box.childElementCount >= limit)) return false;
  box.insertBefore(fresh, next ?? null);
  while (box.childElementCount > limit) {
    box.lastElementChild.remove();
    box.dataset.more = "yes";
  }
  return true;
}

/** Whoever tabs through a list must not be thrown out of it by an update, nor find another button under their finger:
 *  where Hang up was may now be Call again. Where theirs is gone, its part has the focus. */
function keepFocus(old, fresh) {
  const focused = document.activeElement;
  const same = (other) => other.tagName === focused.tagName && other.textContent.trim() === focused.textContent.trim();
  const [before, after] = [old, fresh].map((part) => [...part.querySelectorAll("a, button, input, select, textarea")].filter(same));
  old.replaceWith(fresh);
  const place = after[before.indexOf(focused)] ?? fresh;
  if (place === fresh) fresh.tabIndex = -1;
  place.focus({ preventScroll: true });
}

async function renew() {
  const fetched = new DOMParser().parseFromString(await part(location.href), "text/html");
  for (const fresh of fetched.querySelectorAll("[data-part]")) {
    document.getElementById(fresh.id)?.replaceWith(document.adoptNode(fresh));
  }
  showTimes();
  document.dispatchEvent(new CustomEvent("renewed"));
}

/** Follows `url` until `close()`; `onPart` is told each part, `onRefused` that the server answers, but not with them. */
export function follow(url, { onPart = apply, onLost = () => {}, onBack = () => {}, onRefused = () => {} } = {}) {
  let source = null;
  let lost = null;
  let retryMs = 1000;
  let closed = false;

  function connect() {
    source = new EventSource(url);
    source.addEventListener("open", () => {
      clearTimeout(lost);
      retryMs = 1000;
      if (lost !== null) onBack();
      lost = null;
    });
    source.addEventListener("part", (event) => onPart(JSON.parse(event.data)));
    source.addEventListener("gone", (event) => document.getElementById(JSON.parse(event.data).id)?.remove());
    source.addEventListener("end", () => close());
    source.addEventListener("error", () => {
      if (closed) return;
      lost ??= setTimeout(onLost, LOST_AFTER_MS);
      if (source.readyState === EventSource.CLOSED) {
        // The browser gives up after an error status (a server that is just starting); we don't.
        onRefused();
        setTimeout(() => !closed && connect(), retryMs);
        retryMs = Math.min(retryMs * 2, 15_000);
      }
    });
  }

  function close() {
    closed = true;
    clearTimeout(lost);
    source.close();
  }

  connect();
  return { close };
}

export function setUp() {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const banner = document.getElementById("connection");
  follow(main.dataset.live, {
    onLost: () => (banner.hidden = false),
    onRefused: () => part(location.href).catch(() => {}), // signed out in another tab: that goes to the sign-in page
    onBack: async () => {
      try {
        await renew();
        banner.hidden = true;
      } catch {
        banner.hidden = false;
      }
    },
  });
}
