/** The page of one agent: edit, check and save the script, publish it, go back. */
import { AgentForm } from "./agent_form.js";
import { AgentSpeech } from "./agent_speech.js";
import { api, part, Problem } from "./api.js";
import { confirmed, open } from "./dialogs.js";
import { busy, sentence } from "./forms.js";
import { kept } from "./kept.js";
import { ScriptEditor } from "./script_editor.js";
import { ScriptReview } from "./script_review.js";
import { ScriptTrial } from "./script_trial.js";
import { show as showTimes } from "./times.js";
import { toast } from "./toasts.js";
import { offerTrial } from "./tool_trial.js";

const box = document.getElementById("editor");
const { agent: agentId, person } = box.dataset;
const unsaved = kept(`outdial.script.${person}.${agentId}`);
const samples = kept(`outdial.samples.${person}.${agentId}`);
const byId = (id) => document.getElementById(id);
const dialog = byId("part-dialog");

let saved = box.querySelector("textarea").defaultValue;
let savedVersion = Number(box.dataset.version); // of `saved`, the draft as this page knows it
let base = savedVersion; // the version that what is typed is based on; older where it was typed before a reload
let newer = null; // somebody else's draft, once a save was refused because of it

const editor = new ScriptEditor(box, typed);
const review = new ScriptReview(editor, samples, agentId);
new ScriptTrial(editor, kept(`outdial.rehearsals.${person}.${agentId}`));
offerTrial(editor);
const form = new AgentForm(editor);
const speech = new AgentSpeech(editor, review);
const mayEdit = !editor.area.readOnly;

const changed = () => editor.text !== saved;

function typed() {
  byId("not-saved").hidden = true; // it told of another text
  keep();
  state();
  review.soon();
  form.soon();
  speech.soon();
}

/** Kept at every change: a page can be gone without a word. */
function keep() {
  if (changed()) unsaved.write({ source: editor.text, base, at: new Date().toISOString() });
  else unsaved.forget();
}

function state() {
  byId("editing").textContent = changed() ? `Version ${base}, with unsaved changes` : `Version ${base}`;
  const button = byId("save");
  if (button?.dataset.busy === undefined) button?.setAttribute("aria-disabled", String(!changed()));
  if (changed() || !mayEdit) return;
  for (const id of ["restored", "conflict", "not-saved"]) byId(id).hidden = true;
}

function restore() {
  const found = mayEdit ? unsaved.read() : null;
  if (typeof found?.source !== "string" || found.source === saved) {
    editor.begin(editor.text); // somebody may have typed before this script was there
    keep();
    return;
  }
  base = found.base;
  editor.begin(found.source);
  byId("restored-at").dateTime = found.at;
  byId("restored").hidden = false;
  showTimes(byId("restored"));
}

// -- saving ---------------------------------------------------------------------------------------------------

/** @returns {Promise<boolean>} whether what is typed is saved now */
async function save() {
  if (!changed()) return true;
  const source = editor.text;
  try {
    const answer = await api("POST", `/v1/agents/${agentId}/versions`, { source, base_version: base });
    saved = source;
    base = savedVersion = answer.draft_version;
    newer = null;
    for (const id of ["restored", "conflict", "not-saved"]) byId(id).hidden = true;
    keep(); // more may have been typed meanwhile
    state();
    toast(`Saved as version ${base}.`);
    await renew();
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    await notSaved(problem);
    return false;
  }
}

async function notSaved(problem) {
  if (problem.code === "draft_changed") {
    await overtaken();
    return;
  }
  const why = { 0: "The server could not be reached.", 401: "You are signed out; reload the page to sign in." };
  const reason = why[problem.status] ?? sentence(problem.message.replace(/^source: /, ""));
  byId("not-saved").textContent = `Not saved. ${reason} What you typed is kept in this browser.`;
  byId("not-saved").hidden = false;
  byId("conflict").hidden = true;
  review.now();
}

/** Somebody else's draft came first. */
async function overtaken() {
  try {
    newer = (await api("GET", `/v1/agents/${agentId}`)).draft_version;
  } catch (problem) {
    await notSaved(problem);
    return;
  }
  byId("conflict-version").textContent = `version ${newer}`;
  byId("conflict").hidden = false;
  byId("not-saved").hidden = true;
  await renew();
}

/** Badges, versions and numbers as they are now. */
async function renew() {
  try {
    const fetched = new DOMParser().parseFromString(await part(location.href), "text/html");
    for (const fresh of fetched.querySelectorAll("[data-part]")) byId(fresh.id)?.replaceWith(document.adoptNode(fresh));
    showTimes();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem; // what was done is done; the next look shows it
  }
}

function discard() {
  editor.replace(saved);
  base = savedVersion;
  unsaved.forget();
  state();
}

// -- dialogs --------------------------------------------------------------------------------------------------

async function show(url, body) {
  try {
    byId("part-dialog-content").innerHTML = await part(url, body);
    showTimes(dialog);
    open(dialog);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    toast(problem.message);
  }
}

async function openVersion(version) {
  if (changed() && !(await confirmed("Your unsaved changes are replaced. Ctrl+Z in the editor brings them back.", "Replace"))) return;
  try {
    const { source } = await api("GET", `/v1/agents/${agentId}/versions/${version}`);
    editor.replace(source);
    editor.area.scrollIntoView({ block: "center" });
    toast(`Version ${version} is in the editor. Save it to make it the draft.`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    toast(problem.message);
  }
}

const actions = {
  save: (button) => busy(button, save).finally(state), // a button that was busy can be pressed again
  publish: (button) => busy(button, async () => (await save()) && show(`/agents/${agentId}/publish`)),
  discard: async () => (await confirmed("Your unsaved changes are taken out of the editor.", "Discard")) && discard(),
  overrule: (button) => busy(button, () => ((base = newer), save())),
  "take-theirs": async () => {
    if (!(await confirmed("Your unsaved changes are discarded, and the page shows the newer draft.", "Discard mine"))) return;
    unsaved.forget();
    location.reload();
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  actions[button.id]?.(button);
  if (button.dataset.showsUnsaved !== undefined) {
    busy(button, () => show(`/agents/${agentId}/changes`, { source: editor.text, version: newer ?? base }));
  }
  if (button.dataset.opensVersion) busy(button, () => openVersion(Number(button.dataset.opensVersion)));
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "s") {
    event.preventDefault();
    if (mayEdit) actions.save(byId("save"));
  }
});

// A version was published, or the agent renamed.
document.addEventListener("done", (event) => {
  const answer = event.detail;
  if (answer?.id !== agentId) return;
  event.target.closest("dialog")?.close();
  byId("agent-name").textContent = answer.name;
  document.title = `${answer.name} · Outdial`;
  renew();
});

addEventListener("online", () => review.now());
addEventListener("beforeunload", (event) => {
  if (changed() && !unsaved.works) event.preventDefault();
});

restore();
state();
review.now();
form.soon(); // what was typed before
