/**
 * A textarea for YAML: line numbers, colours, marked lines, Tab that indents. Escape and then Tab leaves it, so that
 * nobody who uses the keyboard is caught in it. Without this module it is a plain textarea.
 */
import { element } from "./elements.js";
import { ScriptLayer } from "./script_layer.js";

const INDENT = "  ";

export class ScriptEditor {
  /** @param {HTMLElement} box holds the textarea and .editor-layer @param {() => void} onInput */
  constructor(box, onInput) {
    this.area = box.querySelector("textarea");
    this.layer = new ScriptLayer(box.querySelector(".editor-layer"), new Set(box.dataset.words.split(" ")));
    this.leaving = false;
    box.dataset.layered = "";
    this.drawing = 0;
    this.area.addEventListener("input", () => {
      this.drawing ||= requestAnimationFrame(() => this.draw()); // a long text that is put in comes line by line
      onInput();
    });
    new ResizeObserver(() => this.follow()).observe(this.area);
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("blur", () => (this.leaving = false));
    this.draw();
  }

  get text() {
    return this.area.value;
  }

  /** Puts a whole new text in, which can be undone like typing. */
  replace(text) {
    this.area.focus({ preventScroll: true });
    this.write(0, this.area.value.length, text);
    this.area.setSelectionRange(0, 0);
    this.area.scrollTop = 0;
  }

  /** Puts another text in from outside, with the cursor and the focus where they are. */
  put(text) {
    const old = this.area.value;
    if (text === old) return;
    let first = 0;
    while (first < text.length && first < old.length && text[first] === old[first]) first++;
    let last = 0; // counted from the end
    const most = Math.min(text.length, old.length) - first;
    while (last < most && text.at(-1 - last) === old.at(-1 - last)) last++;
    this.area.setRangeText(text.slice(first, text.length - last), first, old.length - last, "preserve");
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** Sets the text that the page begins with. */
  begin(text) {
    this.area.value = text;
    this.draw();
  }

  /** @param {{line: number | null, message: string, tone: string}[]} remarks */
  mark(remarks) {
    if (this.drawing) this.draw();
    this.layer.mark(remarks);
  }

  jump(line) {
    if (this.drawing) this.draw();
    const before = this.area.value.split("\n").slice(0, line - 1);
    const start = before.reduce((sum, text) => sum + text.length + 1, 0);
    const end = this.area.value.indexOf("\n", start);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(start, end < 0 ? this.area.value.length : end);
    this.area.scrollTop = this.layer.top(line) - this.area.clientHeight / 3;
    this.area.scrollIntoView({ block: "nearest" });
  }

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
    this.layer.show(this.area.value);
    this.follow();
  }

  follow() {
    this.layer.element.scrollTop = this.area.scrollTop;
  }

  key(event) {
    if (this.area.readOnly || event.isComposing) return;
    if (event.key === "Escape") {
      this.leaving = true;
      return;
    }
    if (event.key === "Tab" && !this.leaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      this.indent(event.shiftKey);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      const line = this.area.value.slice(this.lineStart(this.area.selectionStart), this.area.selectionStart);
      const spaces = line.match(/^ */)[0];
      if (spaces) {
        event.preventDefault();
        this.write(this.area.selectionStart, this.area.selectionEnd, "\n" + spaces);
      }
    }
    if (!["Shift", "Control", "Alt", "Meta"].includes(event.key)) this.leaving = false;
  }

  /** The cursor gets two spaces; a selection of several lines moves as a whole. Backwards always moves lines. */
  indent(back) {
    const { selectionStart: from, selectionEnd: to, value } = this.area;
    if (!back && !value.slice(from, to).includes("\n")) {
      this.write(from, to, INDENT);
      return;
    }
    const start = this.lineStart(from);
    const old = value.slice(start, to);
    const moved = old.split("\n").map((line) => (back ? line.replace(/^ {1,2}/, "") : line && INDENT + line)).join("\n");
    if (moved === old) return;
    this.write(start, to, moved);
    if (from === to) {
      const cursor = Math.max(start, from + moved.length - old.length);
      this.area.setSelectionRange(cursor, cursor);
    } else {
      this.area.setSelectionRange(start, start + moved.length);
    }
  }

  lineStart(place) {
    return this.area.value.lastIndexOf("\n", place - 1) + 1;
  }

  /** As if typed: Ctrl+Z takes it back, which setting the value wouldn't allow. */
  write(start, end, text) {
    this.area.setSelectionRange(start, end);
    const done = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (done) return;
    this.area.setRangeText(text, start, end, "end");
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** A button for `jump`: whoever shows it listens for it. */
export function jumper(text, line) {
  return element("button", { type: "button", class: "link", "data-jumps": line }, text);
}
