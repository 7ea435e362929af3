// The key editor: keys are dragged to other slots. The buttons of the form move them too.
let from = null;

const keyOf = (e) => e.target.closest?.("#keys [data-key]");

document.addEventListener("dragstart", (e) => {
  const key = keyOf(e);
  if (!key) return;
  from = key.dataset.key;
  e.dataTransfer.effectAllowed = "move";
  e.dataTransfer.setData("text/plain", from);
  key.classList.add("dragged");
});

document.addEventListener("dragover", (e) => {
  const key = keyOf(e);
  if (!from || !key) return;
  e.preventDefault();
  for (const k of document.querySelectorAll("#keys .over")) k.classList.remove("over");
  key.classList.add("over");
});

document.addEventListener("dragend", () => {
  from = null;
  for (const k of document.querySelectorAll("#keys :is(.over, .dragged)")) k.classList.remove("over", "dragged");
});

document.addEventListener("drop", (e) => {
  const key = keyOf(e);
  if (!from || !key || key.dataset.key === from) return;
  e.preventDefault();
  const form = key.form;
  form.elements.from.value = from;
  form.elements.to.value = key.dataset.key;
  form.requestSubmit(form.querySelector("[data-move]"));
});

// The picture follows the choice of its model at once.
document.addEventListener("change", (e) => {
  if (e.target.matches?.("#keys select[name=as]")) e.target.closest(".keys-bar").querySelector("button").click();
});
