/** Connect a number: the fields of the chosen carrier, the check, and connecting what was checked. */
import { api, Problem } from "./api.js";
import { element } from "./elements.js";
import { body, busy, clearErrors, showProblem } from "./forms.js";
import { OwnedNumbers } from "./owned_numbers.js";

const form = document.querySelector("[data-connect]");
const place = form.querySelector("[data-fields]");
const result = form.querySelector("[data-result]");
const connectButton = form.querySelector("[data-connects]");
const connectHint = form.querySelector("[data-connect-hint]");
const simulated = JSON.parse(form.dataset.simulated ?? "null");
const fields = new Map(); // by carrier: kept with what was typed, and put back when it is chosen again
let checked = null; // the request that was found good
const owned = new OwnedNumbers(form, form.elements.namedItem("e164"));

const carrier = () => form.elements.namedItem("carrier").value;
const onSimulator = () => form.elements.namedItem("where")?.value === "simulator";

function fieldsOf(name) {
  if (!fields.has(name)) {
    const box = document.createElement("div");
    box.className = "stack";
    box.append(form.querySelector(`template[data-fields-of="${CSS.escape(name)}"]`).content.cloneNode(true));
    fields.set(name, box);
  }
  return fields.get(name);
}

/** A value of the simulator's in place of what was typed, or what was typed again. */
function fill(control, value) {
  if (value === null) {
    if (control.dataset.typed === undefined) return;
    control.value = control.dataset.typed;
    delete control.dataset.typed;
  } else {
    control.dataset.typed ??= control.value;
    control.value = value;
  }
  control.readOnly = value !== null && control.name.startsWith("credentials.");
}

function arrange() {
  const account = onSimulator() ? simulated[carrier()] : null;
  place.replaceChildren(fieldsOf(carrier()));
  for (const box of form.querySelectorAll("[data-at]")) box.hidden = (box.dataset.at === "simulator") !== Boolean(account);
  for (const control of place.querySelectorAll("[name^='credentials.']")) {
    fill(control, account ? (account.credentials[control.name.slice("credentials.".length)] ?? "") : null);
  }
  for (const control of place.querySelectorAll("[name='region']")) control.disabled = Boolean(account);
  fill(form.elements.namedItem("e164"), account ? (account.numbers[0] ?? "") : null);
  document.getElementById("simulated-numbers").replaceChildren(
    ...(account?.numbers ?? []).map((number) => Object.assign(document.createElement("option"), { value: number })),
  );
}

function request() {
  const { where, ...values } = body(form);
  for (const name of ["e164", "name"]) if (values[name]) values[name] = values[name].trim();
  for (const [name, value] of Object.entries(values.credentials ?? {})) {
    values.credentials[name] = value.trim(); // copied along with a space or a line's end
  }
  return { credentials: {}, e164: "", ...values, ...(onSimulator() ? { simulated: true } : {}) };
}

/** What the check is about: name, agent and direction may still change after it. */
function subject({ carrier, e164, credentials, region, simulated }) {
  return { carrier, e164, credentials, ...(region ? { region } : {}), ...(simulated ? { simulated } : {}) };
}

function allow(text, isGood) {
  connectButton.disabled = !isGood;
  connectHint.textContent = text;
}

function forget() {
  if (JSON.stringify(subject(request())) === checked) return;
  checked = null;
  if (!result.childElementCount) return;
  result.replaceChildren();
  allow("Check it once more: something was changed.", false);
}

function show(check) {
  const isGood = check.problems.length === 0;
  const parts = check.problems.map((problem) => element("p", { class: "alert", "data-tone": "bad" }, problem.message));
  if (isGood) {
    parts.push(element("p", { class: "alert", "data-tone": "good" }, "The credentials are good, and the number is the account's."));
    const changes = document.createElement("dd");
    if (check.changes.length) {
      changes.append(element("ul", {}, ...check.changes.map((change) => element("li", {}, change))));
    } else {
      changes.textContent = "Nothing: it is set up for this server already.";
    }
    const answeredBy = element("dd", {}, check.answered_by ?? "Nothing");
    parts.push(element("dl", { class: "facts" }, element("dt", {}, "Answered now by"), answeredBy, element("dt", {}, "Will be changed"), changes));
  }
  result.replaceChildren(...parts);
  allow(isGood ? "" : "What is said above has to be put right first.", isGood);
}

form.querySelector("[data-check]").addEventListener("click", (event) => {
  busy(event.currentTarget, async () => {
    clearErrors(form);
    result.replaceChildren();
    checked = null;
    allow("Check it first.", false);
    const asked = subject(request());
    try {
      refuseGaps();
      const check = await api("POST", "/v1/phone-numbers/check", asked);
      if (check.problems.length === 0) checked = JSON.stringify(asked);
      show(check);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      openDetailsOf(problem);
      showProblem(form, problem);
    }
  });
});

/** Whose numbers are to be listed; throws Problem while credentials are missing. */
function account() {
  refuseGaps(place);
  const { e164, ...given } = subject(request());
  return given;
}

form.querySelector("[data-list-owned]").addEventListener("click", (event) => {
  busy(event.currentTarget, async () => {
    clearErrors(form);
    owned.forget();
    try {
      await owned.list(account());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      openDetailsOf(problem);
      showProblem(form, problem);
    }
  });
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (connectButton.disabled) return;
  busy(connectButton, async () => {
    clearErrors(form);
    try {
      const number = await api("POST", "/v1/phone-numbers", request());
      sessionStorage.setItem("toast", `${number.e164} is connected.`);
      location.assign(form.dataset.then);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      openDetailsOf(problem);
      showProblem(form, problem);
    }
  });
});

/** All at once, where the API would tell of the first. `within`: of a part of the form alone. */
function refuseGaps(within = form) {
  const gaps = [...within.querySelectorAll("[required]")].filter((control) => !control.disabled && !control.value.trim());
  if (!gaps.length) return;
  throw new Problem(422, { message: "", errors: gaps.map(({ name }) => ({ field: name, message: "is required" })) });
}

/** An error at a field that is folded away has to be seen. */
function openDetailsOf(problem) {
  for (const { field } of problem.errors) {
    const details = form.querySelector(`[data-error-of="${CSS.escape(field)}"]`)?.closest("details");
    if (details) details.open = true;
  }
}

/** A list of numbers is of one account: other credentials, and it is of nobody's any more. */
function forgetNumbers({ target }) {
  if (/^(carrier|where|region|credentials\..*)$/.test(target.name)) owned.forget();
}

form.addEventListener("input", (event) => {
  forget();
  forgetNumbers(event);
});
form.addEventListener("change", (event) => {
  if (["carrier", "where"].includes(event.target.name)) arrange();
  forget();
  forgetNumbers(event);
});
arrange();
