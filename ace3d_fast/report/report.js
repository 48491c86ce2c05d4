"use strict";
(() => {
  for (const chart of document.querySelectorAll("[data-figure]")) {
    chart.on("plotly_click", (event) => {
      const anchor = event.points[0].customdata;
      if (anchor) location.hash = anchor;
    });
  }

  // A clip is paused by a still of it on a canvas.
  const clips = [...document.querySelectorAll("figure img")];
  const button = document.getElementById("pause");
  const pause = (clip) => {
    if (clip.hidden) return;
    const still = document.createElement("canvas");
    still.width = clip.naturalWidth;
    still.height = clip.naturalHeight;
    still.setAttribute("role", "img");
    still.setAttribute("aria-label", clip.alt);
    still.getContext("2d").drawImage(clip, 0, 0);
    clip.hidden = true;
    clip.style.display = "none";
    clip.after(still);
  };
  const play = (clip) => {
    clip.hidden = false;
    clip.style.display = "";
    clip.nextElementSibling?.localName === "canvas" && clip.nextElementSibling.remove();
  };
  let playing = true;
  const toggle = () => {
    playing = !playing;
    button.textContent = playing ? "Pause clips" : "Play clips";
    for (const clip of clips) {
      if (playing) play(clip);
      else if (clip.complete) pause(clip);
      else clip.addEventListener("load", () => playing || pause(clip), { once: true });
    }
  };
  if (clips.length) {
    button.hidden = false;
    button.addEventListener("click", toggle);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) toggle();
  }
})();
