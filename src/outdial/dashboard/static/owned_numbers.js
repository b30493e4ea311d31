/** The numbers a carrier account has, to choose one from: listed, searched at the carrier, one pressed. */
import { api, Problem } from "./api.js";
import { element } from "./elements.js";

const FEW = 8; // so many are seen at once, and need no search
const PAUSE_MS = 300; // between two keys of a search

export class OwnedNumbers {
  /** @param {HTMLElement} form has the parts of the list  @param {HTMLInputElement} field takes the chosen number */
  constructor(form, field) {
    this.box = form.querySelector("[data-owned]");
    this.choices = this.box.querySelector("[data-owned-list]");
    this.count = this.box.querySelector("[data-owned-count]");
    this.search = this.box.querySelector("input[type=search]");
    this.field = field;
    this.account = null;
    this.asked = 0;
    this.choices.addEventListener("click", (event) => this.choose(event.target.closest("button")));
    field.addEventListener("input", () => this.mark());
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.look(), PAUSE_MS);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // it would send the form
    });
  }

  /** Throws Problem. */
  async list(account) {
    this.search.value = "";
    const found = await api("POST", "/v1/phone-numbers/owned", account);
    this.account = account;
    this.box.querySelector("[data-owned-search]").hidden = !found.more && found.numbers.length <= FEW;
    this.show(found);
    this.box.hidden = false;
  }

  forget() {
    clearTimeout(this.timer);
    this.asked += 1;
    this.account = null;
    this.box.hidden = true;
    this.choices.replaceChildren();
  }

  async look() {
    const asked = ++this.asked;
    try {
      const found = await api("POST", "/v1/phone-numbers/owned", { ...this.account, search: this.search.value.slice(0, 32) });
      if (asked === this.asked) this.show(found);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (asked === this.asked) this.count.textContent = problem.message;
    }
  }

  show({ numbers, more }) {
    this.choices.replaceChildren(...numbers.map((number) => button(number)));
    this.mark();
    if (more) this.count.textContent = `The first ${numbers.length}. Search for the others by some of their digits.`;
    else if (numbers.length) this.count.textContent = numbers.length === 1 ? "1 number." : `${numbers.length} numbers.`;
    else this.count.textContent = this.search.value ? "No number has these digits in it." : "The account has no number. Get one at the carrier, then come back.";
  }

  choose(pressed) {
    if (!pressed || pressed.disabled) return;
    this.field.value = pressed.value;
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  mark() {
    for (const each of this.choices.children) each.setAttribute("aria-pressed", String(each.value === this.field.value.trim()));
  }
}

function button({ e164, name, can_call, connected }) {
  const made = element("button", { type: "button", class: "option", value: e164 }, element("strong", { class: "number" }, e164));
  made.disabled = connected || !can_call;
  const words = connected ? "Connected already" : can_call ? (name ?? "") : "Not for calls";
  if (words) made.append(element("span", { class: "sub" }, words));
  return made;
}
