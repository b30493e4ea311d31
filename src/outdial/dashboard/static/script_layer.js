/**
 * What is seen of a script: its lines with their numbers and colours, behind a textarea whose own text is transparent.
 * Both have the same box, font and scrollbar (outdial.css), so lines wrap at the same places without being measured.
 */
import { readLine, START, unquoted } from "./script_words.js";

export class ScriptLayer {
  /** @param {HTMLElement} element @param {Set<string>} words the script's own */
  constructor(element, words) {
    this.element = element;
    this.words = words;
    this.lines = []; // {text, before, pieces, after, element, drawn: the pieces that are shown}
    this.named = null; // the steps there were when it was drawn, as one text
  }

  /** Only lines that are new, or look different now, are drawn. */
  show(text) {
    const texts = text.split("\n");
    const old = this.lines;
    let first = 0;
    while (first < texts.length && first < old.length && texts[first] === old[first].text) first++;
    let last = 0; // counted from the end
    const most = Math.min(texts.length, old.length) - first;
    while (last < most && texts.at(-1 - last) === old.at(-1 - last).text) last++;
    const changed = texts.slice(first, texts.length - last).map((line, place) => {
      const kept = old[first + place];
      return first + place < old.length - last ? { ...kept, text: line, before: null } : newLine(line);
    });
    const kept = old.slice(old.length - last);
    for (const line of old.slice(first + changed.length, old.length - last)) line.element.remove();
    const next = kept[0]?.element ?? null;
    const fresh = changed.filter((line) => !line.element.parentNode).map((line) => line.element);
    if (next) next.before(...fresh);
    else this.element.append(...fresh);
    this.lines = [...old.slice(0, first), ...changed, ...kept];
    this.read();
    this.draw();
  }

  read() {
    let before = START;
    for (const line of this.lines) {
      if (line.before === null || !same(line.before, before)) {
        const { pieces, after } = readLine(line.text, before, this.words);
        Object.assign(line, { before, pieces, after });
      }
      before = line.after;
    }
  }

  draw() {
    const steps = new Set();
    for (const { pieces } of this.lines) {
      for (const [kind, text] of pieces) if (kind === "step") steps.add(unquoted(text));
    }
    const named = [...steps].join("\n");
    const renamed = named !== this.named;
    this.named = named;
    for (const line of this.lines) {
      const looksAnew = line.drawn !== line.pieces || (renamed && line.pieces.some(([kind]) => kind === "leads"));
      if (looksAnew) drawLine(line, steps);
    }
  }

  /** @param {{line: number | null, tone: string}[]} remarks */
  mark(remarks) {
    for (const { element } of this.lines) delete element.dataset.tone;
    for (const { line, tone } of remarks.toReversed()) {
      const found = line && this.lines[line - 1];
      if (found) found.element.dataset.tone = tone;
    }
  }

  /** Where a line begins, in pixels from the top. */
  top(line) {
    return this.lines[Math.min(line, this.lines.length) - 1].element.offsetTop;
  }
}

function newLine(text) {
  const element = document.createElement("div");
  element.append(document.createElement("span"));
  return { text, before: null, pieces: [], after: START, element, drawn: null };
}

function drawLine(line, steps) {
  const pieces = line.pieces.map(([kind, text]) => (kind === "leads" && !steps.has(unquoted(text)) ? ["unknown", text] : [kind, text]));
  line.element.firstElementChild.replaceChildren(...pieces.map(drawnPiece));
  line.drawn = line.pieces;
}

function drawnPiece([kind, text]) {
  if (kind === "text") return text;
  const piece = document.createElement("span");
  piece.dataset.kind = kind;
  piece.textContent = text;
  return piece;
}

function same(one, other) {
  return one === other || Object.keys(START).every((name) => one[name] === other[name]);
}
