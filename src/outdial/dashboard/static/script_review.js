/** What the server says of a script while it is typed: problems under the editor, prompts beside it. */
import { api, Problem } from "./api.js";
import { element } from "./elements.js";
import { sampled, showSamples } from "./sample_values.js";
import { jumper } from "./script_editor.js";
import { showOutline } from "./script_outline.js";
import { showTools } from "./tool_trial.js";
import { play } from "./prompt_player.js";

const AFTER_TYPING_MS = 300;
const AGAIN_MS = 3000;
const VERBS = { say: "Says", ask: "Asks", reprompt: "Asks again", hang_up: "Says goodbye", message: "Leaves on a machine" };
const SECTIONS = { machine: "Voicemail", do_not_call: "No more calls", anywhere: "Anywhere" };

const status = document.getElementById("review-status");
const problems = document.getElementById("problems");
const prompts = document.getElementById("prompts");
const row = document.getElementById("prompt-row");

export class ScriptReview {
  constructor(editor, keep, agentId) {
    this.editor = editor;
    this.agentId = agentId;
    this.keep = keep; // where sample values are kept
    this.timer = null;
    this.asked = null;
    this.shown = null; // the prompts on the page, as JSON
    this.reading = {}; // how they are read: language and pronunciations
    problems.addEventListener("click", (event) => this.jump(event));
    document.getElementById("outline").addEventListener("click", (event) => this.jump(event));
    prompts.addEventListener("click", (event) => {
      this.jump(event);
      const button = event.target.closest("[data-plays]");
      if (button) play(button, { text: button.prompt.text, variables: sampled(button.prompt.variables), ...this.reading });
    });
  }

  jump(event) {
    const button = event.target.closest("[data-jumps]");
    if (button) this.editor.jump(Number(button.dataset.jumps));
  }

  soon(afterMs = AFTER_TYPING_MS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), afterMs);
  }

  /** An answer that was overtaken by more typing is dropped: its request is aborted. */
  async now() {
    clearTimeout(this.timer);
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    try {
      const review = await api("POST", "/v1/agents/check", { source: this.editor.text, agent_id: this.agentId }, { signal: asked.signal });
      if (asked === this.asked) this.show(review);
    } catch (problem) {
      if (asked !== this.asked || problem.name === "AbortError") return;
      if (!(problem instanceof Problem)) throw problem;
      this.failed(problem);
    }
  }

  failed(problem) {
    if (problem.status === 401) {
      say("Not checked: you are signed out. What you typed is kept in this browser; reload the page to sign in.", "warn");
    } else if (problem.status === 0 || problem.status >= 500) {
      say("Not checked: the server can't be reached. What you typed is kept in this browser; trying again.", "warn");
      this.soon(AGAIN_MS);
    } else {
      say(`Not checked: ${problem.message}`, "warn");
    }
  }

  show({ errors, warnings, prompts: found, variables, language, pronounce, outline, tools }) {
    const remarks = [...errors.map((one) => ({ ...one, tone: "bad" })), ...warnings.map((one) => ({ ...one, tone: "warn" }))];
    this.editor.mark(remarks);
    document.dispatchEvent(new CustomEvent("reviewed", { detail: remarks }));
    this.editor.area.setAttribute("aria-invalid", String(errors.length > 0));
    showOutline(outline);
    problems.replaceChildren(...remarks.map(problemItem));
    const fixed = this.editor.area.readOnly;
    if (errors.length) say(fixed ? "Something is wrong with it." : "This can't be saved yet.", "bad");
    else if (warnings.length) say(`${fixed ? "" : "It can be saved. "}Something may still be a slip.`, "warn");
    else say("No problems.", "good");
    if (errors.length) {
      // The prompts of the last sound text stay.
      if (this.shown === null) prompts.replaceChildren(paragraph("They appear once the script has no errors."));
      return;
    }
    this.reading = { language, pronounce };
    showTools(tools);
    const now = JSON.stringify([found, variables]);
    if (now === this.shown) return;
    this.shown = now;
    showSamples(variables, this.keep);
    showPrompts(found);
  }
}

function say(text, tone) {
  if (status.textContent !== text) status.textContent = text;
  status.dataset.tone = tone;
}

function problemItem({ line, message, tone }) {
  const kind = element("strong", {}, tone === "bad" ? "Error" : "Warning");
  const item = element("li", { "data-tone": tone }, kind, " ");
  if (line) item.append(jumper(`Line ${line}`, line), ": ");
  item.append(/[.!?]$/.test(message) ? message : `${message}.`);
  return item;
}

function showPrompts(found) {
  document.getElementById("prompts-count").textContent = found.length;
  const groups = new Map();
  for (const prompt of found) groups.set(prompt.step, [...(groups.get(prompt.step) ?? []), prompt]);
  prompts.replaceChildren();
  for (const [step, group] of groups) {
    prompts.append(element("h3", {}, SECTIONS[step] ?? step), element("ul", {}, ...group.map(promptItem)));
  }
  if (!found.length) prompts.append(paragraph("This script says nothing."));
}

const paragraph = (text) => element("p", { class: "quiet" }, text);

function promptItem(prompt) {
  const item = row.content.firstElementChild.cloneNode(true);
  item.querySelector("[data-prompt-text]").textContent = prompt.text;
  item.querySelector("[data-prompt-verb]").textContent = VERBS[prompt.verb] ?? prompt.verb;
  item.querySelector("[data-plays-what]").textContent = `Play: ${prompt.text}`;
  item.querySelector("[data-plays]").prompt = prompt;
  const jump = item.querySelector("[data-jumps]");
  jump.dataset.jumps = prompt.line;
  jump.textContent = `Line ${prompt.line}`;
  return item;
}
