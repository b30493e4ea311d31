/** The form of an agent's source. The source is the one truth: each change of the form is written into it by the server,
 *  which sends the form of the new source back. */
import { part, Problem } from "./api.js";
import { toast } from "./toasts.js";

const AFTER_TYPING_MS = 600;
const form = () => document.getElementById("agent-form");

export class AgentForm {
  /** @param {import("./script_editor.js").ScriptEditor} editor */
  constructor(editor) {
    this.editor = editor;
    this.shown = null; // the source that the form is of
    this.turn = Promise.resolve(); // one change after the other
    this.remarks = [];
    this.timer = null;
    if (!form()) return;
    this.shown = form().querySelector("#form-source").value;
    const box = form().parentElement;
    box.addEventListener("change", (event) => this.changed(event.target));
    box.addEventListener("click", (event) => this.clicked(event.target.closest("button")));
    box.addEventListener("keydown", (event) => {
      const adds = event.key === "Enter" && event.target.closest("[data-adds]");
      if (adds && event.target.matches("input")) this.add(adds);
    });
    document.addEventListener("reviewed", (event) => {
      this.remarks = event.detail;
      this.mark();
    });
  }

  /** What is typed in the source comes into the form. */
  soon() {
    if (!form()) return;
    clearTimeout(this.timer);
    if (this.editor.text !== this.shown) this.timer = setTimeout(() => this.send(null), AFTER_TYPING_MS);
  }

  changed(control) {
    if (control.dataset.tool !== undefined) {
      const chosen = [...form().querySelectorAll("[data-tool]:checked")].map((one) => one.value);
      this.send({ path: ["tools"], value: chosen });
      return;
    }
    if (control.dataset.path === undefined) return;
    const path = JSON.parse(control.dataset.path);
    if (control.dataset.renames !== undefined) this.send({ path, rename: control.value });
    else this.send({ path, value: valueOf(control) });
  }

  clicked(button) {
    if (!button) return;
    if (button.dataset.removes !== undefined) this.send({ path: JSON.parse(button.dataset.path), value: null });
    const adds = button.closest("[data-adds]");
    if (adds) this.add(adds);
  }

  add(row) {
    const name = row.querySelector("[data-new-name]").value.trim();
    const number = row.querySelector("[data-new-number]");
    if (!name || (number && !number.value.trim())) {
      (name ? number : row.querySelector("[data-new-name]")).focus();
      return;
    }
    const section = row.dataset.adds;
    this.send({ path: [section, name], value: number ? { to: number.value.trim() } : "" }, `form-add-${section}`);
  }

  send(edit, focus = null) {
    clearTimeout(this.timer);
    this.turn = this.turn.then(() => this.sent(edit, focus));
  }

  async sent(edit, focus) {
    const source = this.editor.text;
    try {
      const html = await part(`/agents/${form().dataset.agent}/form`, { source, ...(edit && { edit }) });
      if (this.editor.text !== source) {
        if (edit) await this.sent(edit, focus); // somebody typed meanwhile
        return;
      }
      this.show(html, focus);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem.message);
    }
  }

  show(html, focus) {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("agent-form");
    const held = document.activeElement;
    const typing = form().contains(held) ? { id: held.id, value: held.value, dirty: held.value !== held.defaultValue } : null;
    const selected = typing && held.matches("textarea, input:not([type=checkbox])") ? [held.selectionStart, held.selectionEnd] : null;
    form().replaceWith(document.adoptNode(fresh));
    this.shown = form().querySelector("#form-source").value;
    this.editor.put(this.shown);
    const next = document.getElementById(focus ?? typing?.id ?? "");
    if (next && (focus || typing)) {
      if (!focus && typing.dirty && next.matches("textarea, input:not([type=checkbox])")) next.value = typing.value;
      next.focus({ preventScroll: true });
      if (!focus && selected) next.setSelectionRange(...selected);
    }
    this.mark();
  }

  /** What is wrong, also at the field that it is in. */
  mark() {
    const controls = [...form().querySelectorAll("[data-lines]")];
    for (const control of controls) {
      control.removeAttribute("aria-invalid");
      errorOf(control).hidden = true;
    }
    for (const { line, message, tone } of this.remarks) {
      const inside = controls.filter((control) => {
        const [first, last] = control.dataset.lines.split("-").map(Number);
        return first <= line && line <= last;
      });
      const control = inside.sort((one, other) => size(one) - size(other))[0];
      if (!control || tone !== "bad") continue;
      control.setAttribute("aria-invalid", "true");
      errorOf(control).textContent = `${message[0].toUpperCase()}${message.slice(1)}.`;
      errorOf(control).hidden = false;
    }
  }
}

const errorOf = (control) => document.getElementById(`${control.id}-error`);

function size(control) {
  const [first, last] = control.dataset.lines.split("-").map(Number);
  return last - first;
}

function valueOf(control) {
  const text = control.value.trim();
  if (text === "") return control.dataset.path.startsWith('["outcomes"') ? "" : null;
  if (control.dataset.type === "number" && Number.isFinite(Number(text))) return Number(text);
  if (control.dataset.type === "list") return text.split(",").map((one) => one.trim()).filter(Boolean);
  return control.value;
}
