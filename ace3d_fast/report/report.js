"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const charts = [...document.querySelectorAll("[data-figure]")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The page's own colours and type, so that a chart follows light and dark.
  const theme = () => {
    const axis = { gridcolor: css("--line"), zerolinecolor: css("--quiet"), linecolor: css("--line") };
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { bgcolor: css("--panel"), font: { color: css("--ink") } },
      dragmode: false,
      xaxis: axis,
      yaxis: axis,
    };
  };
  const merged = (layout) => {
    const base = theme();
    return { ...base, ...layout, xaxis: { ...base.xaxis, ...layout.xaxis }, yaxis: { ...base.yaxis, ...layout.yaxis } };
  };
  const draw = () => {
    for (const chart of charts) {
      const { data, layout } = figures[chart.dataset.figure];
      Plotly.react(chart, data, merged(layout), { displayModeBar: false, responsive: true });
    }
  };
  draw();
  dark.addEventListener("change", draw);
  for (const chart of charts) {
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
