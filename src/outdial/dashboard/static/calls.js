/** The page Calls: its filters, and rows one can click anywhere on. */
import * as durations from "./durations.js";

durations.setUp();

// -- filters: times are typed in the reader's zone, and empty ones stay out of the address ----------------------

const form = document.querySelector("[data-filters]");
const local = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

for (const control of form.querySelectorAll("[data-instant]")) {
  const hidden = form.elements.namedItem(control.dataset.instant);
  const at = new Date(hidden.value);
  if (hidden.value && !Number.isNaN(at.getTime())) control.value = local(at);
  control.addEventListener("change", () => (hidden.value = control.value ? new Date(control.value).toISOString() : ""));
}

form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value.trim() === "") event.formData.delete(name);
});

// -- rows ------------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (!row || event.target.closest("a, button") || getSelection().toString()) return;
  if (event.ctrlKey || event.metaKey) open(row.dataset.href);
  else location.assign(row.dataset.href);
});

document.addEventListener("part", () => {
  const rows = document.getElementById("call-rows");
  if (!rows?.childElementCount) return;
  document.querySelector("[data-none-yet]")?.remove();
  rows.closest("table").hidden = false;
});
