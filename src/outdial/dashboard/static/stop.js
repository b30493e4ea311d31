/**
 * The dialog that stops dialling, from any page: [data-stops="/stop"] opens it. Its [data-cancels="/v1/…"] cancels what
 * waits, request by request: each says what is left, and the next goes on with what was meant at first.
 */
import { api, part, Problem } from "./api.js";
import { confirmed, open } from "./dialogs.js";
import { busy, sentence } from "./forms.js";
import { show as showTimes } from "./times.js";
import { toast } from "./toasts.js";

const counted = (calls) => calls.toLocaleString("en");

async function show(button) {
  const dialog = document.getElementById("stop-dialog");
  const content = document.getElementById("stop-dialog-content");
  content.innerHTML = await part(button.dataset.stops);
  showTimes(content);
  open(dialog);
}

async function cancel(button) {
  if (!(await confirmed(button.dataset.asks, "End them"))) return;
  const progress = button.parentElement.querySelector("[data-progress]");
  const wanted = { accepted_before: button.dataset.before };
  let canceled = 0;
  let answer;
  do {
    answer = await api("POST", button.dataset.cancels, wanted);
    canceled += answer.canceled;
    progress.textContent = `${counted(canceled)} canceled…`;
  } while (answer.waiting && answer.canceled);
  const left = answer.waiting ? ` ${counted(answer.waiting)} are left, which somebody else is changing.` : "";
  sessionStorage.setItem("toast", `${counted(canceled)} waiting ${canceled === 1 ? "call was" : "calls were"} canceled.${left}`);
  location.reload();
}

export function setUp() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-stops], [data-cancels]");
    if (!button) return;
    busy(button, async () => {
      try {
        await (button.dataset.stops ? show(button) : cancel(button));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        toast(sentence(problem.message));
      }
    });
  });
}
