/** Dialogs (<dialog>): opened by [data-opens="id"], closed by [data-closes], Escape or a click beside them. */

export function open(dialog) {
  if (!dialog.open) dialog.showModal();
}

/** Opens a dialog to be filled in: one begins to type at once. */
function ask(dialog) {
  open(dialog);
  if (!dialog.querySelector("[autofocus]")) dialog.querySelector("input:not([type=hidden]), textarea, select")?.focus();
}

/** Asks; resolves to whether the answer was yes. */
export function confirmed(text, yes = "Yes") {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("#confirm-text").textContent = text;
  dialog.querySelector("#confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  open(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export function setUp() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) ask(document.getElementById(opener.dataset.opens));
    if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
    const toggler = event.target.closest("[data-toggles]");
    if (toggler) {
      const opened = document.getElementById(toggler.dataset.toggles).classList.toggle("open");
      toggler.setAttribute("aria-expanded", String(opened));
    }
  });
  // A press that begins inside (selecting text) and ends outside is no click beside the dialog.
  let pressed = null;
  document.addEventListener("pointerdown", (event) => (pressed = event.target));
  document.addEventListener("click", (event) => {
    if (event.target.matches("dialog.dialog") && pressed === event.target) event.target.close();
  });
}
