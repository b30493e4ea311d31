/** Short messages that go away by themselves; read out by screen readers. */

export function toast(text, forMs = 6000) {
  const box = document.getElementById("toasts");
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
