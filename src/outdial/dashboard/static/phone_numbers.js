/** The page Phone numbers: its dialogs, and the modal that shows and tries the outbound call API. */
import { api, part, Problem } from "./api.js";
import { open } from "./dialogs.js";
import { typed, written } from "./exact_json.js";
import { busy, clearErrors, showProblem } from "./forms.js";
import { watch } from "./watched_call.js";
import { toast } from "./toasts.js";

const dialog = document.getElementById("part-dialog");
const content = document.getElementById("part-dialog-content");
let watched = null;

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
    if (content.querySelector("[data-outbound-api]")) writeSnippets();
  });
});

dialog?.addEventListener("close", () => {
  if (watched && content.querySelector('[data-api$="/hang-up"]')) toast("The call goes on. You find it under Calls.");
  watched?.close();
  watched = null;
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

// -- variables: rows of name and value ------------------------------------------------------------------------

function addVariable() {
  const rows = content.querySelector("[data-variables]");
  const row = document.createElement("div");
  row.className = "variable";
  const number = rows.childElementCount + 1;
  row.innerHTML = `
    <input data-variable-name aria-label="Name of variable ${number}" placeholder="user_name" autocomplete="off">
    <input data-variable-value aria-label="Value of variable ${number}" placeholder="Jane" autocomplete="off">
    <button class="button small quiet" type="button" data-removes-variable>Remove<span class="visually-hidden"> variable ${number}</span></button>`;
  rows.append(row);
  row.querySelector("input").focus();
}

function request() {
  const form = content.querySelector("[data-place-call]");
  const body = { to: form.elements.to.value.replace(/[\s().\-/]/g, "") }; // as people write and copy it
  const names = [...form.querySelectorAll("[data-variable-name]")];
  const values = [...form.querySelectorAll("[data-variable-value]")];
  const variables = names.map((name, index) => [name.value.trim(), typed(values[index].value)]).filter(([name]) => name);
  if (variables.length) body.variables = Object.fromEntries(variables);
  if (form.elements.amd.checked) body.amd = true;
  return body;
}

// -- snippets: always the request of the form -----------------------------------------------------------------

const EXAMPLE = { to: "+15551234567", variables: { user_name: "Jane", account_type: "Premium" }, amd: true };

const PYTHON = { true: "True", false: "False", null: "None" };

function python(value, indent = "    ") {
  const single = written(value);
  if (single !== undefined) return PYTHON[single] ?? single;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inner = `${indent}    `;
  const items = Object.entries(value).map(([name, one]) => inner + (open === "{" ? `${JSON.stringify(name)}: ` : "") + python(one, inner));
  return items.length ? `${open}\n${items.join(",\n")}\n${indent}${close}` : open + close;
}

function writeSnippets() {
  const form = content.querySelector("[data-place-call]");
  const touched = form && (form.elements.to.value || form.querySelector("[data-variable-name]") || form.elements.amd.checked);
  const body = touched ? { ...request(), to: request().to || EXAMPLE.to } : EXAMPLE;
  const json = JSON.stringify(body, null, 2);
  const written = { shell: json.replaceAll("'", `'\\''`), python: python(body), javascript: json, json };
  for (const place of content.querySelectorAll("[data-snippet-body]")) place.textContent = written[place.dataset.snippetBody];
}

content?.addEventListener("input", (event) => {
  if (event.target.closest("[data-place-call]")) writeSnippets();
});

content?.addEventListener("click", (event) => {
  if (event.target.closest("[data-adds-variable]")) addVariable();
  const remove = event.target.closest("[data-removes-variable]");
  if (remove) {
    remove.parentElement.remove();
    content.querySelector("[data-adds-variable]").focus();
    writeSnippets();
  }
});

// -- the test call --------------------------------------------------------------------------------------------

content?.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-place-call]");
  if (!form) return;
  event.preventDefault();
  busy(event.submitter, async () => {
    clearErrors(form);
    try {
      const answer = await api("POST", form.dataset.placeCall, request());
      watched?.close();
      watched = await watch(answer.call_id, content.querySelector("[data-watched-call]"));
    } catch (problem) {
      if (problem instanceof Problem) showProblem(form, problem);
      else throw problem;
    }
  });
});
