/** Small things every page uses: tabs, copy buttons, the colour switch. */
import { toast } from "./toasts.js";

function select(tab) {
  const list = tab.closest('[role="tablist"]');
  for (const one of list.querySelectorAll('[role="tab"]')) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
  }
}

function tabs() {
  document.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) select(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.('[role="tab"]');
    if (!tab) return;
    const all = [...tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]')];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = { Home: all[0], End: all.at(-1) }[event.key] ?? (step && all.at((all.indexOf(tab) + step) % all.length));
    if (!next) return;
    event.preventDefault();
    select(next);
    next.focus();
  });
}

/** Copies `text`; where there is no clipboard for pages (without https), `source` is left selected, for Ctrl+C. */
export async function copy(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    const remark = source.dataset.copiedRemark;
    toast(remark ? `Copied. ${remark}` : "Copied.", remark ? 6000 : 2000);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    toast("Selected. Press Ctrl+C (or ⌘C) to copy.", 4000);
  }
}

function copying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies);
    if (source.fresh) await source.fresh; // what it shows is being brought up to date
    await copy(source.value ?? source.textContent, source);
  });
}

function colours() {
  const order = ["auto", "light", "dark"];
  const button = document.querySelector("[data-theme-switch]");
  button?.addEventListener("click", () => {
    const root = document.documentElement;
    const next = order[(order.indexOf(root.dataset.theme) + 1) % order.length];
    root.dataset.theme = next;
    document.cookie = `outdial_theme=${next}; path=/; max-age=31536000; samesite=lax`;
    toast({ auto: "Colours as the system has them.", light: "Light colours.", dark: "Dark colours." }[next], 2000);
  });
}

export function setUp() {
  tabs();
  copying();
  colours();
}
