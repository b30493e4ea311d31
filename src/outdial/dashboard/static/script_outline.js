/** The steps of a script and where each leads, as a list of buttons: the way through the conversation, without the text. */
import { element } from "./elements.js";
import { jumper } from "./script_editor.js";

const DOES = { hang_up: "hangs up", transfer: "transfers" };

const box = document.getElementById("outline");
const count = document.getElementById("outline-count");
const note = document.getElementById("outline-note");
const NOTE = note.textContent;

let shown = null; // as JSON

/** @param {object | null} outline null: the text can't be read, and what was shown of it stays */
export function showOutline(outline) {
  if (outline === null) {
    note.textContent = "As of the last text that could be read.";
    if (shown === null) box.replaceChildren(quiet("They appear once the text can be read.", "p"));
    return;
  }
  note.textContent = NOTE;
  const now = JSON.stringify(outline);
  if (now === shown) return;
  shown = now;
  const { start, steps, anywhere } = outline;
  count.textContent = steps.length;
  const lines = new Map(steps.map((step) => [step.name, step.line]));
  const list = element("ol", {}, ...steps.map((step) => stepItem(step, lines, step.name === start)));
  const focused = box.contains(document.activeElement) ? document.activeElement.textContent : null;
  box.replaceChildren(steps.length ? list : quiet("There is no step yet.", "p"));
  if (anywhere.length) box.append(anywhereItem(anywhere, lines));
  if (focused) [...box.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
}

/** Up and Down go from step to step; Tab also comes to where they lead. */
box.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  const buttons = [...box.querySelectorAll("[data-step]")];
  const item = document.activeElement.closest("li[data-of-step]");
  const at = buttons.findIndex((button) => button.closest("li") === item);
  const next = buttons[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

function stepItem(step, lines, isStart) {
  const name = jumper(step.name, step.line);
  name.dataset.step = "";
  const head = element("p", {}, name, " ", quiet(`line ${step.line}`));
  if (isStart) head.append(" ", badge("Start"));
  if (!step.reached) head.append(" ", badge("Nobody gets here", "warn"));
  return element("li", { "data-of-step": "" }, head, wayList(step.ways, lines));
}

function anywhereItem(ways, lines) {
  return element("div", {}, element("p", {}, "Anywhere"), wayList(ways, lines));
}

/** Ways to the same place are one line: "yes; no → goodbye". */
function wayList(ways, lines) {
  const places = new Map();
  for (const way of ways) {
    const place = way.step ?? way.does;
    places.set(place, [...(places.get(place) ?? []), way]);
  }
  return element("ul", {}, ...[...places].map(([place, same]) => wayItem(place, same, lines)));
}

function wayItem(place, ways, lines) {
  const item = element("li");
  const on = [...new Set(ways.map((way) => way.on.filter(Boolean).join(", ")))].filter(Boolean);
  if (on.length) item.append(quiet(on.join("; ")), " ");
  const arrow = quiet("→");
  arrow.setAttribute("aria-hidden", "true");
  const { step, does, line } = ways[0];
  if (step === null) item.append(arrow, " ", jumper(DOES[does] ?? does, line));
  else if (lines.has(step)) item.append(arrow, hidden(" leads to "), " ", jumper(step, lines.get(step)));
  else item.append(arrow, hidden(" leads to "), " ", jumper(step || "?", line), " ", badge("There is no such step", "bad"));
  return item;
}

const badge = (text, tone = "quiet") => element("span", { class: "badge", "data-tone": tone }, text);
const quiet = (text, tag = "span") => element(tag, { class: "quiet" }, text);
const hidden = (text) => element("span", { class: "visually-hidden" }, text);
