/** The page Do not call: importing a file, and what became of its rows. */
import { Problem, upload } from "./api.js";
import { busy, clearErrors, sentence, showProblem } from "./forms.js";

const SHOWN_ROWS = 50;
const form = document.querySelector("[data-imports]");
const dialog = form?.closest("dialog");
let imported = false;

const counted = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

function show(report) {
  const box = form.querySelector("[data-import-report]");
  const told = [
    `${counted(report.added, "number was", "numbers were")} added`,
    report.already_there && `${counted(report.already_there, "was", "were")} there already`,
    report.refused && `${counted(report.refused, "row was", "rows were")} refused`,
    report.canceled && `${counted(report.canceled, "waiting call was", "waiting calls were")} canceled`,
  ];
  const text = box.querySelector(".alert");
  text.textContent = `${told.filter(Boolean).join(", ")}.`;
  text.dataset.tone = report.refused ? "warn" : "good";
  const shown = report.refused_rows.slice(0, SHOWN_ROWS);
  const lines = shown.map((row) => sentence(`line ${row.line.toLocaleString("en")}: ${row.reason}`));
  if (report.refused > shown.length) lines.push(`And ${counted(report.refused - shown.length, "more row", "more rows")}.`);
  const list = box.querySelector("ul");
  list.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  box.hidden = false;
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, async () => {
    clearErrors(form);
    form.querySelector("[data-import-report]").hidden = true;
    try {
      show(await upload(form.dataset.imports, form.elements.file.files[0], "text/csv"));
      imported = true;
      form.elements.file.value = "";
    } catch (problem) {
      if (problem instanceof Problem) showProblem(form, problem);
      else throw problem;
    }
  });
});

dialog?.addEventListener("close", () => {
  if (imported) location.assign("/do-not-call");
});
