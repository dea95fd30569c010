// Sends the form's files with progress; without this script the form sends them by itself.

const form = document.querySelector("[data-upload]");
const problems = document.querySelector("[data-problems]");
const sending = document.querySelector("[data-sending]");

function tell(lines) {
  problems.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { className: "problem", textContent: line })));
  if (lines.length) problems.scrollIntoView({ block: "center" });
}

function show(share) {
  sending.querySelector("progress").value = share;
  sending.querySelector("[data-sent]").textContent = share < 1 ? `${Math.floor(share * 100)} %` : "checking";
}

function finish(request) {
  form.querySelector("button").disabled = false;
  sending.hidden = true;
  let said = [];
  try { said = JSON.parse(request.responseText).problems ?? []; } catch { /* an answer of something in between */ }
  if (request.status === 201) location.reload();
  else tell(said.length ? said : ["The files did not arrive. Nothing was changed; try again."]);
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", (at) => at.lengthComputable && show(at.loaded / at.total));
  request.addEventListener("loadend", () => finish(request));
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  form.querySelector("button").disabled = true;
  sending.hidden = false;
  tell([]);
  show(0);
  request.send(new FormData(form));
});
