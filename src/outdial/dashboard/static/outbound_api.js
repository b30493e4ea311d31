/**
 * The modal of the outbound call API: a form that places a test call, and code that does the same.
 *
 * The server writes the code (dashboard/snippets.py). An API key that is made here is put into it in this page alone: it is
 * sent nowhere, kept nowhere, and gone with the modal.
 */
import { api, part, Problem } from "./api.js";
import { typed } from "./exact_json.js";
import { busy, clearErrors, showProblem } from "./forms.js";
import { toast } from "./toasts.js";
import { watch } from "./watched_call.js";

const AFTER_TYPING_MS = 150;
const ONE_PANE = matchMedia("(max-width: 62rem)");

let modal = null; // of the modal that is open
let watched = null;

/** @param {Element} content of a dialog that was just opened */
export function begin(content) {
  const root = content.querySelector("[data-outbound-api]");
  content.closest("dialog").classList.toggle("wide", root?.childElementCount > 1);
  if (!root) return;
  modal = { content, url: root.dataset.outboundApi, key: null };
  content.querySelectorAll("textarea").forEach(fit);
  showKey();
  showPanes();
}

export function end() {
  if (watched && modal?.content.querySelector('[data-api$="/hang-up"]')) toast("The call goes on. You find it under Calls.");
  watched?.close();
  watched = null;
  clearTimeout(modal?.timer);
  modal = null;
}

// -- beside each other where there is room, else behind two tabs ------------------------------------------------

function showPanes() {
  const tabs = modal?.content.querySelector("[data-pane-tabs]");
  if (!tabs) return;
  tabs.hidden = !ONE_PANE.matches;
  for (const tab of tabs.querySelectorAll('[role="tab"]')) {
    const pane = document.getElementById(tab.getAttribute("aria-controls"));
    if (ONE_PANE.matches) {
      pane.setAttribute("role", "tabpanel");
      pane.setAttribute("aria-labelledby", tab.id);
      pane.hidden = tab.getAttribute("aria-selected") !== "true";
    } else {
      pane.removeAttribute("role");
      pane.setAttribute("aria-labelledby", `${pane.id}-title`);
      pane.hidden = false;
    }
  }
}

ONE_PANE.addEventListener("change", showPanes);

// -- what the form says -----------------------------------------------------------------------------------------

function request() {
  const form = modal.content.querySelector("[data-place-call]");
  const body = {};
  const to = form.elements.to.value.replace(/[\s().\-/]/g, ""); // as people write and copy it
  if (to) body.to = to;
  const variables = [...form.querySelectorAll(".variable")]
    .map((row) => [nameIn(row), row.querySelector("[data-variable-value]").value])
    .filter(([name, text]) => name && text !== "")
    .map(([name, text]) => [name, typed(text)]);
  if (variables.length) body.variables = Object.fromEntries(variables);
  if (form.elements.amd.checked) body.amd = true;
  const version = form.elements["agent.version"]?.value;
  if (version) body.agent = { id: form.dataset.agent, version: /^\d+$/.test(version) ? Number(version) : version };
  return body;
}

const nameIn = (row) => row.dataset.declared ?? row.querySelector("[data-variable-name]").value.trim();

/** As high as what is in it, up to a limit that the stylesheet sets. */
function fit(area) {
  area.style.setProperty("height", "auto");
  area.style.setProperty("height", `${area.scrollHeight + 2}px`);
}

function addVariable(name = "", text = "") {
  const rows = modal.content.querySelector("[data-variables]");
  const row = document.createElement("div");
  row.className = "variable added";
  const number = rows.querySelectorAll(".added").length + 1;
  row.innerHTML = `
    <input data-variable-name aria-label="Name of variable ${number}" placeholder="user_name" autocomplete="off">
    <textarea rows="1" data-variable-value aria-label="Value of variable ${number}" placeholder="Jane" autocomplete="off" spellcheck="false"></textarea>
    <button class="button small quiet" type="button" data-removes-variable>Remove<span class="visually-hidden"> variable ${number}</span></button>`;
  rows.append(row);
  row.querySelector("input").value = name;
  row.querySelector("textarea").value = text;
  fit(row.querySelector("textarea"));
  return row;
}

/** The variables of another version: what somebody typed stays, also for a name that this one doesn't declare. */
async function showVariables(version) {
  const { content, url } = modal;
  const html = await part(`${url}/variables?version=${encodeURIComponent(version)}`);
  if (modal?.content !== content) return;
  const rows = content.querySelector("[data-variables]");
  const kept = [...rows.children]
    .map((row) => ({ row, name: nameIn(row), area: row.querySelector("textarea") }))
    .filter(({ row, area }) => !row.dataset.declared || area.value !== area.defaultValue)
    .map(({ name, area }) => [name, area.value]);
  rows.innerHTML = html;
  for (const [name, text] of kept) {
    const area = name && rows.querySelector(`[data-declared="${CSS.escape(name)}"] textarea`);
    if (area) area.value = text;
    else addVariable(name, text);
  }
  rows.querySelectorAll("textarea").forEach(fit);
}

// -- the code: always the request of the form -------------------------------------------------------------------

const codes = () => modal.content.querySelectorAll("[data-code-of]");

/** Whoever copies the code waits until it has been written anew. */
function isOutOfDate() {
  if (modal.settle) return;
  const fresh = new Promise((resolve) => (modal.settle = resolve));
  for (const code of codes()) code.fresh = fresh;
}

/** Soon, by the server. */
function writeCode(afterMs = AFTER_TYPING_MS) {
  const now = modal;
  isOutOfDate();
  clearTimeout(now.timer);
  const asked = (now.asked = {}); // an answer that was overtaken by more typing is dropped
  now.timer = setTimeout(async () => {
    let html = null;
    let trouble = "";
    try {
      html = await part(`${now.url}/code`, request());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      trouble = problem.message;
    }
    if (asked !== now.asked || now !== modal) return;
    showCode(html, trouble);
    now.settle();
    now.settle = null;
  }, afterMs);
}

function showCode(html, trouble) {
  const error = modal.content.querySelector("[data-code-error]");
  error.hidden = !trouble;
  error.textContent = trouble && `The code isn't what the form says: ${trouble}`;
  if (html === null) return;
  const written = document.createElement("template");
  written.innerHTML = html;
  for (const code of codes()) {
    code.replaceChildren(...written.content.querySelector(`[data-code="${code.dataset.codeOf}"]`).childNodes);
  }
  showKey();
}

// -- the key: in this page's memory -----------------------------------------------------------------------------

function showKey() {
  for (const place of modal.content.querySelectorAll("mark[data-key]")) {
    if (modal.key) place.textContent = modal.key;
    place.toggleAttribute("data-filled", Boolean(modal.key));
  }
  for (const code of codes()) {
    const mark = code.querySelector("mark[data-key]");
    if (mark && !modal.key) code.dataset.copiedRemark = `Put an API key in place of ${mark.textContent}.`;
    else delete code.dataset.copiedRemark;
  }
}

async function makeKey(form) {
  const now = modal;
  const made = await api("POST", "/v1/api-keys", { name: form.elements.name.value, scope: "place_calls" });
  if (now !== modal) return;
  modal.key = made.key;
  form.hidden = true;
  const box = modal.content.querySelector("[data-made-key]");
  box.querySelector("[data-key-name]").textContent = `“${made.name}”`;
  box.querySelector("[data-key-itself]").textContent = made.key;
  box.hidden = false;
  box.focus();
  showKey();
}

// -- what somebody does -----------------------------------------------------------------------------------------

document.addEventListener("input", ({ target }) => {
  if (!modal?.content.contains(target)) return;
  if (target.matches(".variable textarea")) fit(target);
  if (target.closest("[data-place-call]") && !target.matches("[data-version]")) writeCode();
});

document.addEventListener("change", ({ target }) => {
  if (!modal?.content.contains(target) || !target.matches("[data-version]")) return;
  isOutOfDate();
  busy(target, async () => {
    try {
      await showVariables(target.value);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem.message);
    }
    if (modal) writeCode(0);
  });
});

document.addEventListener("click", ({ target }) => {
  if (!modal?.content.contains(target)) return;
  if (target.closest("[data-adds-variable]")) addVariable().querySelector("input").focus();
  const remove = target.closest("[data-removes-variable]");
  if (remove) {
    remove.closest(".variable").remove();
    modal.content.querySelector("[data-adds-variable]").focus();
    writeCode(0);
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-place-call], [data-makes-key]");
  if (!form || !modal?.content.contains(form)) return;
  event.preventDefault();
  busy(event.submitter, async () => {
    clearErrors(form);
    try {
      if (form.matches("[data-makes-key]")) await makeKey(form);
      else await placeCall(form);
    } catch (problem) {
      showProblem(form, problem);
    }
  });
});

async function placeCall(form) {
  const now = modal;
  const box = now.content.querySelector("[data-watched-call]");
  const answer = await api("POST", form.dataset.placeCall, request());
  if (now !== modal) return;
  watched?.close();
  const following = await watch(answer.call_id, box);
  if (now === modal) watched = following;
  else following.close();
}
