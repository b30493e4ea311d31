/** Values for the variables of a script's prompts, to listen to them with. They stay in this browser. */

const OF_EVERY_CALL = { user_number: "+12025550100", agent_number: "+15551230002", answered_by: "human" };

const details = document.getElementById("samples");
const fields = document.getElementById("sample-fields");

/** @param {Record<string, any>} variables with the script's defaults @param {{read(): object, write(values: object): void}} keep */
export function showSamples(variables, keep) {
  const kept = keep.read() ?? {};
  const focused = document.activeElement?.dataset?.sample;
  fields.replaceChildren();
  for (const [name, fallback] of Object.entries(variables)) {
    const label = document.createElement("label");
    label.className = "sample";
    const input = document.createElement("input");
    input.dataset.sample = name;
    input.autocomplete = "off";
    input.value = kept[name] ?? fallback ?? OF_EVERY_CALL[name] ?? "";
    input.addEventListener("input", () => keep.write({ ...keep.read(), [name]: input.value }));
    const text = document.createElement("code");
    text.textContent = name;
    label.append(text, input);
    fields.append(label);
    if (name === focused) input.focus();
  }
  details.hidden = fields.childElementCount === 0;
}

/** The values of `names` as a call would bring them; customer.city is a value inside a value. */
export function sampled(names) {
  const values = {};
  for (const name of names) {
    const input = fields.querySelector(`[data-sample="${CSS.escape(name)}"]`);
    if (!input || input.value.trim() === "") continue;
    const path = name.split(".");
    const last = path.pop();
    let place = values;
    for (const key of path) place = typeof place[key] === "object" ? place[key] : (place[key] = {});
    place[last] = read(input.value);
  }
  return values;
}

/** Every value that was filled in, but for what each call has of its own. */
export function sampledAll() {
  const names = [...fields.querySelectorAll("[data-sample]")].map((input) => input.dataset.sample);
  return sampled(names.filter((name) => !(name in OF_EVERY_CALL)));
}

/** Text stays text; true, false and numbers are what they look like. */
function read(text) {
  return /^(true|false|-?(0|[1-9]\d{0,14})(\.\d{1,15})?)$/.test(text) ? JSON.parse(text) : text;
}
