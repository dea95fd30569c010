// Narrows the rows of this page as one types; Enter asks the server for the whole project.

const field = document.querySelector("[data-filter]");
const rows = [...document.querySelectorAll("tr[data-text]")].map((row) => ({ row, text: row.dataset.text.toLowerCase() }));
const nothing = document.querySelector("[data-nothing]");
const matches = document.querySelector("[data-matches]");

function narrow() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { row, text } of rows) {
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  for (const group of document.querySelectorAll(".session, .subject")) {
    group.hidden = !group.querySelector("tr[data-text]:not([hidden])");
  }
  if (nothing) nothing.hidden = shown > 0;
  matches.textContent = words.length ? `${shown} of ${rows.length} scans` : "";
}

field.addEventListener("input", narrow);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});
