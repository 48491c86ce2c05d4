"use strict";
// Names that people give to concepts: kept in this browser, saved to and loaded from names.json.
const aceNames = (() => {
  const page = JSON.parse(document.getElementById("page").textContent);
  const key = `ace3d_fast/${page.run}/names`;
  const MAX_CHARACTERS = 80;
  const fields = [...document.querySelectorAll("input.name")];
  const shown = document.getElementById("shown");
  const listeners = [];

  // What was typed here goes before what stands in the file; a name that was cleared is kept as "".
  let typed = {};
  try {
    typed = JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    typed = {}; // no storage here, or not ours: names last as long as the page
  }
  const keep = () => {
    try {
      localStorage.setItem(key, JSON.stringify(typed));
    } catch {
      shown.textContent = "This browser keeps no names: use “Save names”.";
    }
  };
  const given = (concept) => typed[concept] ?? page.names[concept] ?? "";
  const of = (concept) => given(concept) || `Concept ${concept}`;
  const all = () => {
    const concepts = new Set([...Object.keys(page.names), ...Object.keys(typed)]);
    return Object.fromEntries([...concepts].filter(given).sort((a, b) => a - b).map((c) => [c, given(c)]));
  };

  const axisOf = (figure) => {
    const concepts = figure.layout.meta?.concepts;
    if (!concepts) return;
    const short = (name) => (name.length > 22 ? `${name.slice(0, 21)}…` : name);
    Object.assign(figure.layout.yaxis, {
      tickmode: "array",
      tickvals: concepts.map((concept) => `Concept ${concept}`),
      ticktext: concepts.map((concept) => plain(short(of(concept)))),
    });
  };
  // Plotly reads some HTML in labels: a name is text.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const show = () => {
    for (const part of document.querySelectorAll("[data-name-of]")) part.textContent = of(part.dataset.nameOf);
    for (const field of fields) {
      const concept = field.closest("[data-concept]").dataset.concept;
      if (document.activeElement !== field) field.value = given(concept);
    }
    for (const told of listeners) told();
    if (typeof aceCharts !== "undefined") {
      for (const figure of Object.values(aceCharts.figures)) axisOf(figure);
      aceCharts.redraw();
    }
  };
  const tell = (names) => {
    if (!page.save_to) return;
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ run: page.run, names });
    fetch(page.save_to, { method: "PUT", headers, body }).then(
      (reply) => { shown.textContent = reply.ok ? "Names saved to the run folder." : "The names could not be saved."; },
      () => { shown.textContent = "The names could not be saved: the server does not answer."; },
    );
  };

  for (const field of fields) {
    field.hidden = false;
    const concept = field.closest("[data-concept]").dataset.concept;
    field.addEventListener("input", () => {
      typed[concept] = field.value.trim().replace(/\s+/g, " ").slice(0, MAX_CHARACTERS);
      keep();
    });
    field.addEventListener("change", () => {
      show();
      tell(all());
    });
    field.addEventListener("keydown", (event) => event.key === "Enter" && field.blur());
  }
  document.getElementById("export-names")?.addEventListener("click", () => {
    const text = `${JSON.stringify({ run: page.run, names: all() }, null, 2)}\n`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "names.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  document.getElementById("import-names")?.addEventListener("change", async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    try {
      const found = JSON.parse(await file.text());
      if (found.run !== page.run) throw new Error("it belongs to another run");
      const names = Object.entries(found.names);
      const fits = ([concept, name]) => /^\d{1,9}$/.test(concept) && typeof name === "string" && name.length <= MAX_CHARACTERS;
      if (!names.every(fits)) throw new Error("it is no file of names");
      typed = Object.fromEntries([...Object.keys(all()).map((concept) => [concept, ""]), ...names]);
      keep();
      show();
      tell(all());
      shown.textContent = `${names.length} names loaded.`;
    } catch (error) {
      shown.textContent = `${file.name} was not loaded: ${error.message}.`;
    }
  });
  return { of, show, page, plain, onChange: (told) => listeners.push(told) };
})();
