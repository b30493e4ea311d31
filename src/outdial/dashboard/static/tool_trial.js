/** The tools that an agent declares, and one of them tried: really asked. */
import { api, Problem } from "./api.js";
import { element } from "./elements.js";
import { busy, sentence } from "./forms.js";
import { sampledAll } from "./sample_values.js";
import { jumper } from "./script_editor.js";

const byId = (id) => document.getElementById(id);
const RESULTS = { ok: "Answered", failed: "Not done", unknown: "It may have been done" };

let shown = "[]";
let withConsequences = new Set();

export function showTools(tools) {
  const now = JSON.stringify(tools);
  if (now === shown) return;
  shown = now;
  byId("tools").hidden = !tools.length;
  byId("tools-count").textContent = tools.length;
  byId("tools-list").replaceChildren(...tools.map(toolItem));
  withConsequences = new Set(tools.flatMap((tool) => tool.consequences));
  const names = byId("tool-name");
  if (!names) return;
  const chosen = names.value;
  names.replaceChildren(...tools.flatMap((tool) => tool.tools).map((name) => element("option", { value: name }, name)));
  if (chosen) names.value = chosen;
  chose();
}

export function offerTrial(editor) {
  byId("tools").addEventListener("click", (event) => {
    const button = event.target.closest("[data-jumps]");
    if (button) editor.jump(Number(button.dataset.jumps));
  });
  byId("tool-name")?.addEventListener("change", chose);
  byId("tool-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(byId("tool-try"), () => attempt(editor));
  });
}

function chose() {
  byId("tool-consequences").hidden = !withConsequences.has(byId("tool-name").value);
  byId("tool-consequences-wanted").checked = false;
}

function toolItem({ name, line, over, host, method, secrets, consequences }) {
  const told = [
    over === "mcp" ? `MCP server at ${host}` : `${method} ${host}`,
    secrets.length ? `secrets: ${secrets.join(", ")}` : "no secrets",
    consequences.length ? "changes something" : "changes nothing",
  ];
  return element("li", {}, jumper(name, line), ` · ${told.join(" · ")}`);
}

async function attempt(editor) {
  const told = byId("tool-tried");
  const answer = byId("tool-answer");
  byId("tool-answer-box").hidden = true;
  told.textContent = "Asking…";
  let given;
  try {
    given = JSON.parse(byId("tool-arguments").value || "{}");
  } catch {
    told.textContent = "What the model would give it is no JSON.";
    return;
  }
  try {
    const tried = await api("POST", "/v1/agents/tools/try", {
      source: editor.text,
      tool: byId("tool-name").value,
      arguments: given,
      variables: sampledAll(),
      consequences: byId("tool-consequences-wanted").checked,
    });
    const why = [tried.reason, tried.status && `HTTP ${tried.status}`].filter(Boolean).join(", ");
    told.textContent = `${RESULTS[tried.result]}${why ? ` (${why})` : ""}, ${tried.duration_ms} ms.`;
    answer.textContent = JSON.stringify({ request: tried.request ?? tried.arguments, answer: tried.answer }, null, 2);
    byId("tool-answer-box").hidden = false;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    told.textContent = sentence(problem.message);
  }
  byId("tool-consequences-wanted").checked = false;
}
