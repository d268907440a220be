"use strict";
const root = document.documentElement;
const dark = () =>
  root.dataset.theme ? root.dataset.theme === "dark"
                     : matchMedia("(prefers-color-scheme: dark)").matches;
for (const button of document.querySelectorAll("button.theme")) {
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });
}
for (const field of document.querySelectorAll("input.filter")) {
  const rows = field.closest("section").querySelectorAll("tbody tr");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of rows) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    }
  });
}
