"use strict";
(() => {
  const form = document.getElementById("filters");
  const text = document.getElementById("filter-text");
  const rows = [...document.getElementById("runs").rows];
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/);
    let left = 0;
    for (const row of rows) left += !(row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)));
    document.getElementById("shown").textContent = `${left} of ${rows.length} runs`;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  text.addEventListener("input", apply);
  apply();
})();
