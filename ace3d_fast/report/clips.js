"use strict";
// Example clips: a clip is paused by a still of it on a canvas. Charts and teasers lead to the cards.
(() => {
  const clipsOf = (part) => [...part.querySelectorAll("figure img")];
  const pause = (clip) => {
    if (clip.hidden) return;
    const still = document.createElement("canvas");
    still.width = clip.naturalWidth;
    still.height = clip.naturalHeight;
    still.setAttribute("role", "img");
    still.setAttribute("aria-label", clip.alt);
    still.getContext("2d").drawImage(clip, 0, 0);
    clip.hidden = true;
    clip.after(still);
  };
  const play = (clip) => {
    clip.hidden = false;
    if (clip.nextElementSibling?.localName === "canvas") clip.nextElementSibling.remove();
  };
  const set = (part, playing) => {
    part.dataset.playing = playing;
    for (const clip of clipsOf(part)) {
      if (playing) play(clip);
      else if (clip.complete) pause(clip);
      else clip.addEventListener("load", () => part.dataset.playing === "true" || pause(clip), { once: true });
    }
    const button = part.querySelector(".toggle");
    const name = part.querySelector("h3").textContent;
    button.textContent = playing ? "Pause" : "Play";
    button.setAttribute("aria-label", `${button.textContent} clips of ${name}`);
  };

  const teasers = [...document.querySelectorAll("[data-first-of]")];
  const cards = [...document.querySelectorAll(".card")].filter((card) => clipsOf(card).length);
  const all = document.getElementById("pause");
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const card of cards) {
    const button = card.querySelector(".toggle");
    button.hidden = false;
    button.addEventListener("click", () => set(card, card.dataset.playing !== "true"));
    set(card, playing);
  }
  const setTeasers = () => {
    for (const teaser of teasers) {
      const clip = clipsOf(document.getElementById(teaser.dataset.firstOf))[0];
      teaser.hidden = false;
      if (playing) teaser.src = clip.src;
      else {
        const still = document.createElement("canvas");
        const draw = () => {
          still.width = clip.naturalWidth;
          still.height = clip.naturalHeight;
          still.getContext("2d").drawImage(clip, 0, 0);
          if (!playing) teaser.src = still.toDataURL("image/png");
        };
        clip.complete ? draw() : clip.addEventListener("load", draw, { once: true });
      }
    }
    all.textContent = playing ? "Pause clips" : "Play clips";
  };
  setTeasers();
  if (cards.length) {
    all.hidden = false;
    all.addEventListener("click", () => {
      playing = !playing;
      for (const card of cards) set(card, playing);
      setTeasers();
    });
  }

  for (const chart of document.querySelectorAll('[data-figure="scores"], [data-figure="matrix"]')) {
    chart.on("plotly_click", (event) => {
      const anchor = event.points[0].customdata;
      if (anchor && document.getElementById(anchor)) location.hash = anchor;
    });
  }
})();
