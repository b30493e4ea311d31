/** One call: its dialogs, what is loaded when it is opened, and the transcript while it grows. */
import { api, part, Problem } from "./api.js";
import { copy } from "./controls.js";
import * as durations from "./durations.js";
import { typed } from "./exact_json.js";
import { busy, clearErrors, showProblem } from "./forms.js";
import * as listening from "./listening_panel.js";
import * as player from "./player.js";
import { show as showTimes } from "./times.js";
import { toast } from "./toasts.js";

durations.setUp();
player.setUp();
listening.setUp();

// -- dialogs: closed and emptied once their wish was carried out -----------------------------------------------

document.addEventListener("done", (event) => {
  const dialog = event.target.closest("dialog");
  if (event.target.dataset.then !== "stay" || !dialog) return;
  dialog.close();
  event.target.reset();
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-sets-variable]");
  if (!form) return;
  event.preventDefault();
  busy(event.submitter, async () => {
    clearErrors(form);
    try {
      await api("PATCH", form.dataset.setsVariable, { [form.elements.name.value.trim()]: typed(form.elements.value.value) });
      form.closest("dialog").close();
      form.reset();
      toast("The variable was set.");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // The API names what is wrong by the variable's own name.
      const errors = problem.errors.map(({ message }) => ({ field: "value", message }));
      showProblem(form, new Problem(problem.status, { message: problem.message, code: problem.code, errors }));
    }
  });
});

// -- details that are loaded when they are opened --------------------------------------------------------------

document.addEventListener(
  "toggle",
  async (event) => {
    const details = event.target;
    if (!details.open || !details.dataset?.loads) return;
    const box = details.querySelector("[data-loaded]");
    try {
      box.innerHTML = await part(details.dataset.loads);
      showTimes(box);
    } catch (problem) {
      box.textContent = problem.message;
    }
  },
  true,
);

// -- the transcript while the call lasts: its end stays in view for who looks at its end -----------------------

const box = document.querySelector("[data-transcript]");
const noWords = document.querySelector("[data-no-words]");
const tools = document.querySelector("[data-transcript-tools]");
let atEnd = true;

function words() {
  noWords.hidden = box.querySelector(".turn") !== null;
  tools.hidden = !noWords.hidden;
}

tools.querySelector("[data-copies-transcript]").addEventListener("click", () => {
  const times = tools.querySelector("[data-copies-times]").checked;
  const lines = [...box.querySelectorAll(".turn")].map((turn) => plainTurn(turn, times));
  copy(lines.join("\n"), box.querySelector(".transcript"));
});

/** "Agent: Hello.", on one line, or "0:01.2 Agent: Hello." */
function plainTurn(turn, times) {
  const text = (name) => turn.querySelector(name).textContent.trim();
  const at = times ? `${turn.dataset.at} ` : "";
  return `${at}${text(".who-spoke")}: ${text(".said").replace(/\s+/g, " ")}`;
}

box.addEventListener("scroll", () => (atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40));
document.addEventListener("part", (event) => {
  if (!event.detail.element.matches(".turn")) return;
  words();
  if (atEnd && box.getAttribute("role") === "log") box.scrollTop = box.scrollHeight;
});
words();
