/** Short messages that go away by themselves; read out by screen readers. */

export function toast(text, forMs = 6000) {
  const box = document.getElementById("toasts");
  // Beside an open modal nothing is read out, nor seen clearly: they are shown in it.
  const modal = [...document.querySelectorAll("dialog:modal")].at(-1);
  (modal ?? document.body).append(box);
  modal?.addEventListener("close", () => document.body.append(box), { once: true });
  const element = document.createElement("div");
  element.className = "toast";
  element.textContent = text;
  box.append(element);
  setTimeout(() => element.remove(), forMs);
}

export function setUp() {
  const kept = sessionStorage.getItem("toast");
  if (!kept) return;
  sessionStorage.removeItem("toast");
  toast(kept);
}
