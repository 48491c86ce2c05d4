"use strict";
(() => {
  const quiz = JSON.parse(document.getElementById("quiz").textContent);
  const part = (name) => document.getElementById(name);
  const storage = `ace3d-quiz-${quiz.id}`;
  let answers = [];
  try {
    answers = JSON.parse(localStorage.getItem(storage) || "[]");
  } catch {
    answers = [];
  }
  let asked = 0;

  const keep = () => {
    try {
      localStorage.setItem(storage, JSON.stringify(answers));
    } catch {
      // without storage the answers last as long as the page
    }
  };
  const texts = {
    intruder: () => ["Which clip does not belong?", "Four of the five outlined parts are of one kind. Click the odd one, or press its number."],
    naming: () => ["What do these outlined parts share?", "Give it a name of a word or two."],
    recognition: (question) => [
      `Which clip shows “${answers[question.naming]?.name ?? ""}”?`,
      "That is the name you gave before. Click the clip, or press its number.",
    ],
  };
  const answer = (value) => {
    answers[asked.place] = { question: asked.place, seconds: (performance.now() - asked.since) / 1000, ...value };
    keep();
    show();
  };
  // A name that was not given cannot be recognised.
  const next = () =>
    quiz.questions.findIndex(
      (question, place) =>
        !answers[place] && !(question.kind === "recognition" && !answers[question.naming]?.name),
    );
  const show = () => {
    const place = next();
    const isOver = place < 0;
    part("start").hidden = true;
    part("question").hidden = isOver;
    part("end").hidden = !isOver;
    if (isOver) {
      part("save").focus();
      return;
    }
    const question = quiz.questions[place];
    asked = { place, since: performance.now() };
    const number = answers.filter(Boolean).length;
    part("progress").textContent = `Question ${number + 1} of ${quiz.questions.length}`;
    part("done").style.width = `${(100 * number) / quiz.questions.length}%`;
    const [title, hint] = texts[question.kind](question);
    part("asked").textContent = title;
    part("hint").textContent = hint;
    const isNaming = question.kind === "naming";
    part("naming").hidden = !isNaming;
    part("name").value = "";
    const tiles = question.clips.map((clip, choice) => {
      const tile = document.createElement(isNaming ? "div" : "button");
      const image = document.createElement("img");
      image.src = quiz.clips[clip];
      image.alt = `Clip ${choice + 1}`;
      tile.append(image, isNaming ? "" : String(choice + 1));
      if (isNaming) {
        tile.className = "shown";
      } else {
        tile.type = "button";
        tile.addEventListener("click", () => answer({ choice }));
      }
      return tile;
    });
    part("clips").replaceChildren(...tiles);
    (isNaming ? part("name") : part("asked")).focus();
  };

  part("begin").textContent = answers.some(Boolean) ? "Go on" : "Begin";
  part("begin").addEventListener("click", show);
  part("skip").addEventListener("click", () => answer({ skipped: true }));
  part("naming").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = part("name").value.trim();
    if (name) answer({ name });
  });
  part("again").addEventListener("click", () => {
    if (!confirm("Start again? The answers given so far are deleted.")) return;
    answers = [];
    keep();
    show();
  });
  part("save").addEventListener("click", () => {
    const { id, seed, per_concept } = quiz;
    const text = JSON.stringify({ quiz: { id, seed, per_concept }, answers: answers.filter(Boolean) }, null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "answers.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  document.addEventListener("keydown", (event) => {
    if (part("question").hidden || event.target.localName === "input") return;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return; // a held key, the browser's own
    const tile = part("clips").querySelectorAll("button")[Number(event.key) - 1];
    if (!tile) return;
    event.preventDefault(); // the next question may be a field, which would take the digit
    tile.click();
  });
})();
