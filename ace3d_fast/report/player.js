"use strict";
// Plays a video's clips with the regions of chosen concepts coloured; the strip shows when each appears.
(() => {
  const players = JSON.parse(document.getElementById("players").textContent);
  if (!players.length) return;
  const get = (id) => document.getElementById(id);
  const [canvas, seek, time, playButton, choice] = ["player", "seek", "time", "play", "video"].map(get);
  const [outlines, resolution, overlays, strip] = ["outlines", "resolution", "overlays", "strip"].map(get);
  const pen = canvas.getContext("2d");
  const rgb = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
  const concepts = players[0].figure.layout.meta.concepts;
  const colors = Object.fromEntries(concepts.map((c) => [c, rgb(aceNames.page.colors[c])]));
  const chosen = new Set();
  let clips = []; // of the video: pictures, and the frames in a row
  let frames = [];
  let place = 0;
  let timer = 0;
  let loading = 0;

  const picture = (uri) =>
    new Promise((done, failed) => {
      const image = new Image();
      image.onload = () => done(image);
      image.onerror = failed;
      image.src = uri;
    });
  const pixels = (image) => {
    const sheet = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d", { willReadFrequently: true });
    sheet.drawImage(image, 0, 0);
    return sheet.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data;
  };
  const open = async (number) => {
    stop();
    const mine = ++loading;
    const { clips: given, figure } = players[number];
    const read = await Promise.all(
      given.map(async (clip) => {
        const [image, ...maps] = await Promise.all([clip.frames, ...clip.maps].map(picture));
        return { ...clip, image, labels: maps.map(pixels), height: image.naturalHeight / clip.num_frames };
      }),
    );
    if (mine !== loading) return;
    clips = read;
    frames = clips.flatMap((clip) => Array.from({ length: clip.num_frames }, (_, i) => ({ clip, i, at: clip.start + i * clip.step })));
    canvas.width = clips[0].image.naturalWidth;
    canvas.height = clips[0].height;
    seek.max = frames.length - 1;
    resolution.replaceChildren(...clips[0].maps.map((_, s) => new Option(`map ${s + 1}`, s, s === 0)));
    aceCharts.figures.strip = figure;
    aceNames.show();
    go(0);
  };

  // Muted where no chosen concept is; a later resolution lies over an earlier one.
  const draw = () => {
    const { clip, i } = frames[place];
    const [width, height] = [canvas.width, canvas.height];
    pen.drawImage(clip.image, 0, -i * clip.height);
    const shot = pen.getImageData(0, 0, width, height);
    const data = shot.data;
    const start = i * width * height;
    const id = (labels, p) => labels[4 * (start + p)] + 256 * labels[4 * (start + p) + 1];
    const owner = new Int32Array(width * height).fill(-1);
    clip.labels.forEach((labels, s) => {
      for (let p = 0; p < owner.length; p++) {
        const concept = clip.concepts[s][id(labels, p)];
        if (chosen.has(concept)) owner[p] = concept;
      }
    });
    const lines = outlines.checked ? clip.labels[Number(resolution.value) || 0] : null;
    const dim = chosen.size > 0;
    for (let p = 0; p < owner.length; p++) {
      const x = p % width;
      const right = x + 1 < width ? p + 1 : p;
      const below = p + width < owner.length ? p + width : p;
      const at = 4 * p;
      if (owner[p] >= 0) {
        const edge = owner[right] !== owner[p] || owner[below] !== owner[p] || (x > 0 && owner[p - 1] !== owner[p]) || (p >= width && owner[p - width] !== owner[p]);
        const share = edge ? 0.95 : 0.28;
        for (let c = 0; c < 3; c++) data[at + c] = data[at + c] * (1 - share) + colors[owner[p]][c] * share;
      } else if (dim) {
        const gray = 0.3 * data[at] + 0.59 * data[at + 1] + 0.11 * data[at + 2];
        for (let c = 0; c < 3; c++) data[at + c] = 0.6 * (0.8 * gray + 0.2 * data[at + c]);
      }
      if (lines && (id(lines, p) !== id(lines, right) || id(lines, p) !== id(lines, below))) {
        for (let c = 0; c < 3; c++) data[at + c] = 0.35 * data[at + c] + 0.65 * 255;
      }
    }
    pen.putImageData(shot, 0, 0);
  };
  const mark = () => {
    const color = getComputedStyle(document.documentElement).getPropertyValue("--cursor").trim();
    const x = frames[place].at;
    const shape = { type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, line: { color, width: 2 } };
    aceCharts.figures.strip.layout.shapes = [shape];
    Plotly.relayout(strip, { shapes: [shape] });
  };
  const go = (to) => {
    place = Math.max(0, Math.min(to, frames.length - 1));
    const words = `${frames[place].at.toFixed(1)} s`;
    seek.value = place;
    seek.setAttribute("aria-valuetext", words);
    time.textContent = words;
    draw();
    mark();
  };
  const goTo = (seconds) => {
    const away = frames.map(({ at }) => Math.abs(at - seconds));
    go(away.indexOf(Math.min(...away)));
  };
  const stop = () => {
    clearTimeout(timer);
    timer = 0;
    playButton.textContent = "Play";
    playButton.setAttribute("aria-pressed", "false");
  };
  const step = () => {
    go((place + 1) % frames.length);
    timer = setTimeout(step, 1000 * frames[place].clip.step);
  };
  const start = () => {
    playButton.textContent = "Pause";
    playButton.setAttribute("aria-pressed", "true");
    timer = setTimeout(step, 1000 * frames[place].clip.step);
  };

  const buttons = concepts.map((concept) => {
    const button = document.createElement("button");
    const dot = document.createElement("span");
    const name = document.createElement("span");
    button.type = "button";
    dot.className = "dot";
    dot.style.background = aceNames.page.colors[concept];
    name.dataset.nameOf = concept;
    button.append(dot, name);
    button.addEventListener("click", () => choose(concept, !chosen.has(concept)));
    return button;
  });
  const choose = (concept, on) => {
    on ? chosen.add(concept) : chosen.delete(concept);
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(chosen.has(concepts[i]))));
    if (frames.length) draw();
  };
  const only = (concept) => {
    chosen.clear();
    choose(concept, true);
  };
  overlays.append(...buttons);

  choice.addEventListener("input", () => open(Number(choice.value)));
  playButton.addEventListener("click", () => (timer ? stop() : frames.length && start()));
  seek.addEventListener("input", () => {
    stop();
    go(Number(seek.value));
  });
  for (const field of [outlines, resolution]) field.addEventListener("input", draw);
  strip.on("plotly_click", ({ points: [point] }) => {
    stop();
    only(concepts[point.pointIndex[0]]);
    goTo(point.x);
  });
  for (const link of document.querySelectorAll(".moment-link")) {
    link.addEventListener("click", async () => {
      const { video, seconds, concept } = link.dataset;
      const number = players.findIndex((player) => player.video === video);
      if (choice.value !== String(number)) {
        choice.value = number;
        await open(number);
      }
      if (concepts.includes(Number(concept))) only(Number(concept));
      goTo(Number(seconds));
    });
  }
  if (document.querySelector(".card.accepted")) {
    for (const card of document.querySelectorAll(".card.accepted")) choose(Number(card.dataset.concept), true);
  } else only(concepts[0]);
  open(0);
})();
