/** "Try it": a call without audio with the script in the editor, and rehearsals of it. */
import { api, Problem } from "./api.js";
import { element } from "./elements.js";
import { busy, sentence } from "./forms.js";
import { sampledAll } from "./sample_values.js";
import { jumper } from "./script_editor.js";

const byId = (id) => document.getElementById(id);
const talk = byId("talk");
const typed = byId("talk-line");
const over = byId("talk-over");
const KEYS = /^[0-9*#]{1,40}$/;
const MISSED = { no_reply: "no reply", no_match: "not understood", any: "any answer", value: "a value" };

export class ScriptTrial {
  /** `keep`: where rehearsals are kept */
  constructor(editor, keep) {
    this.editor = editor;
    this.keep = keep;
    this.lines = null; // what the callee did so far; null before a call has begun
    this.answers = []; // what a model said to that, which isn't asked again
    byId("rehearsals-source").value = keep.read() ?? byId("rehearsals-source").value;
    byId("rehearsals-source").addEventListener("input", (event) => keep.write(event.target.value));
    byId("talk-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.say();
    });
    byId("try").addEventListener("click", (event) => this.clicked(event.target.closest("button")));
  }

  clicked(button) {
    if (!button) return;
    if (button.id === "talk-begin") busy(button, () => this.go([], []));
    if (button.dataset.callee) busy(button, () => this.go([...this.lines, { [button.dataset.callee]: true }]));
    if (button.id === "rehearse") busy(button, () => this.rehearse());
    if (button.dataset.jumps) this.editor.jump(Number(button.dataset.jumps));
  }

  /** Keys alone are pressed; everything else is said. */
  say() {
    const text = typed.value.trim();
    if (!text || this.lines === null) return;
    busy(byId("talk-say"), () => this.go([...this.lines, KEYS.test(text) ? { presses: text } : { says: text }]));
  }

  /**
   * The call is held anew each time, from its beginning: it is the same call, with the script as it is now. A model's
   * answers so far are sent along.
   */
  async go(lines, answers = this.answers) {
    try {
      const { errors, call } = await api("POST", "/v1/agents/talk", {
        source: this.editor.text,
        lines,
        variables: sampledAll(),
        ...(answers.length && { answers }),
      });
      if (!call) {
        const [{ line, message }] = errors;
        over.textContent = `The script has a fault${line ? ` on line ${line}` : ""}: ${sentence(message)}`;
        return;
      }
      this.lines = lines;
      this.answers = call.answers;
      typed.value = "";
      this.show(call);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      over.textContent = sentence(problem.message);
    }
  }

  show(call) {
    const before = [
      ...call.path.map((one) => [one.at_ms, stepItem(one)]),
      ...call.answers.map((one) => [one.at_ms, answerItem(one)]),
    ].sort(([one], [other]) => one - other);
    const after = call.tools.map((one) => [one.at_ms, toolItem(one)]);
    const items = [];
    for (const turn of call.turns) {
      while (after.length && after[0][0] <= turn.start_ms) items.push(after.shift()[1]);
      while (before.length && before[0][0] <= turn.start_ms) items.push(before.shift()[1]);
      items.push(turnItem(turn));
    }
    talk.replaceChildren(...items, ...[...before, ...after].map(([, item]) => item));
    showModel(call.model);
    talk.hidden = false;
    talk.scrollTop = talk.scrollHeight;
    byId("talk-begin").textContent = "Start over";
    byId("talk-form").hidden = !call.awaits_callee;
    over.textContent = call.awaits_callee ? "" : ending(call);
    if (call.awaits_callee) typed.focus({ preventScroll: true });
  }

  async rehearse() {
    const results = byId("rehearsed");
    try {
      const report = await api("POST", "/v1/agents/rehearse", {
        source: this.editor.text,
        rehearsals: byId("rehearsals-source").value,
      });
      const faults = report.errors.map(({ part, line, message }) => resultItem("Fault", `${part === "script" ? "Script" : "Rehearsals"}${line ? `, line ${line}` : ""}: ${sentence(message)}`, "bad"));
      const done = report.rehearsals.map((one) =>
        one.passed ? resultItem("Passed", one.name, "good") : resultItem("Failed", `${one.name}${one.line ? `, line ${one.line}` : ""}: ${sentence(one.wrong)}`, "bad"),
      );
      results.replaceChildren(...faults, ...done);
      byId("rehearsed-count").textContent = faults.length ? "" : `${report.passed} of ${report.passed + report.failed} went as written.`;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      results.replaceChildren();
      byId("rehearsed-count").textContent = sentence(problem.message);
    }
  }
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

function ending({ stopped, ended_by, duration_ms, outcome, noted, tools }) {
  if (stopped) return sentence(`stopped: ${stopped}`);
  const facts = Object.entries(noted).filter(([name]) => name !== "outcome");
  const told = tools.length && facts.length ? ` Noted: ${facts.map(([name, value]) => `${name}: ${value}`).join(", ")}.` : "";
  return `The ${ended_by} hung up after ${seconds(duration_ms)}. Outcome: ${outcome ?? "none"}.${told}`;
}

/** Who answers, where that is a model. */
function showModel(model) {
  const note = byId("talk-model");
  note.hidden = !model;
  if (!model) return;
  note.textContent = model.stand_in
    ? `A stand-in answers: the simulator's ${model.name} follows rules and doesn't think, whatever this agent is for. It costs nothing.`
    : `${model.name} answers, a real model.`;
}

function answerItem({ model, fails, first_word_ms, total_ms, tokens }) {
  if (fails) return element("p", { class: "passed" }, `${model} failed: ${fails}`);
  const first = first_word_ms === null ? "" : `first word after ${first_word_ms} ms, `;
  return element("p", { class: "passed" }, `${first}all after ${total_ms} ms, ${tokens} tokens`);
}

function toolItem({ tool, arguments: given, done }) {
  const shown = Object.entries(given).filter(([, value]) => value !== null && value !== "");
  const what = shown.map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") : value}`).join("; ");
  return element("p", { class: "passed" }, "→ ", element("code", {}, tool), what ? ` ${what}` : "", done ? "" : " (not done: interrupted)");
}

function turnItem({ speaker, text, start_ms }) {
  const at = element("span", { class: "at" }, seconds(start_ms));
  const who = element("span", { class: "who-spoke" }, speaker === "agent" ? "Agent" : "You");
  const said = element("p", { class: "said" }, text);
  return element("div", { class: "turn", "data-speaker": speaker }, at, element("div", {}, who, said));
}

function stepItem({ step, line, led_by }) {
  const why = led_by ? ` ${MISSED[led_by] ?? `“${led_by}”`}` : "";
  return element("p", { class: "passed" }, "→ ", jumper(step, line), why);
}

function resultItem(result, text, tone) {
  return element("li", { "data-tone": tone }, element("strong", {}, result), ` ${text}`);
}
