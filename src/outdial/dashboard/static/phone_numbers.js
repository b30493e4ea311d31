/** The page Phone numbers: its dialogs; the modal of the outbound call API is outbound_api.js. */
import { part } from "./api.js";
import { open } from "./dialogs.js";
import { busy } from "./forms.js";
import { begin, end } from "./outbound_api.js";
import { toast } from "./toasts.js";

const dialog = document.getElementById("part-dialog");
const content = document.getElementById("part-dialog-content");

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-shows]");
  if (!button) return;
  busy(button, async () => {
    try {
      content.innerHTML = await part(button.dataset.shows);
    } catch (problem) {
      toast(problem.message);
      return;
    }
    open(dialog);
    begin(content);
  });
});

// What was in it is gone: a key that was made is nowhere any more, not even in a page that is come back to.
function forget() {
  end();
  content?.replaceChildren();
  dialog?.classList.remove("wide");
}

dialog?.addEventListener("close", forget);
addEventListener("pagehide", () => {
  forget();
  dialog?.close();
});

// -- disconnecting: what became of the carrier's settings is told, not flashed ---------------------------------

function told(carrier, answer) {
  switch (answer.carrier) {
    case "restored": return `Its settings at ${carrier} are as they were before it was connected.`;
    case "left": return `Its settings at ${carrier} were left as they are. ${answer.message ?? ""}`;
    default: return `Nothing was changed at ${carrier}.`;
  }
}

content?.addEventListener("done", (event) => {
  const { disconnects: number, carrier } = event.target.dataset;
  if (!number) return;
  content.innerHTML = `
    <h2 id="part-dialog-title" tabindex="-1"></h2>
    <p class="alert"></p>
    <div class="dialog-actions"><button class="button primary" type="button" data-closes>Close</button></div>`;
  content.querySelector("h2").textContent = `${number} was disconnected`;
  const text = content.querySelector(".alert");
  text.textContent = told(carrier, event.detail);
  text.dataset.tone = event.detail.carrier === "left" ? "warn" : "good";
  content.querySelector("h2").focus();
  dialog.addEventListener("close", () => location.reload(), { once: true });
});
