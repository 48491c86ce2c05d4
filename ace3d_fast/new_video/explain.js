"use strict";
(() => {
  const player = document.getElementById("player");
  const [chart] = aceCharts;
  const seek = (seconds) => {
    player.pause();
    player.currentTime = Math.max(0, Math.min(seconds, player.duration || seconds));
  };
  for (const button of document.querySelectorAll(".moment")) {
    button.addEventListener("click", () => {
      seek(Number(button.dataset.seconds));
      player.scrollIntoView({ block: "nearest" });
    });
  }
  // Anywhere in the chart, also where a strip is blank: time follows from the place of the click.
  chart.addEventListener("click", (event) => {
    const axis = chart._fullLayout.xaxis;
    const place = event.clientX - chart.getBoundingClientRect().left - axis._offset;
    if (place >= 0 && place <= axis._length) seek(axis.p2d(place));
  }, true);
  let drawn = -1;
  const mark = () => {
    const now = player.currentTime;
    if (Math.abs(now - drawn) < 0.05) return;
    drawn = now;
    const line = { color: getComputedStyle(document.documentElement).getPropertyValue("--ink").trim(), width: 2 };
    Plotly.relayout(chart, { shapes: [{ type: "line", xref: "x", yref: "paper", x0: now, x1: now, y0: 0, y1: 1, line }] });
  };
  for (const name of ["timeupdate", "seeked"]) player.addEventListener(name, mark);
})();
